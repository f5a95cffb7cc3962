// Named steps of a longer run: each prints how long it took.

/** Runs `work` and prints the stage's name and time, also when it fails. */
export async function stage(name, work) {
  const started = performance.now()
  const report = (outcome) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    process.stderr.write(`── ${name}: ${outcome}, ${seconds} s\n`)
  }
  try {
    const result = await work()
    report('done')
    return result
  } catch (error) {
    report('FAILED')
    throw error
  }
}
