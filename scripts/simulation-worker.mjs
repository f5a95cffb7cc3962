// Plays schedules for simulate.mjs, chunk by chunk, until it is told that there are no more.
import { parentPort, workerData } from 'node:worker_threads'

const TOLD = 3 // stories that a chunk brings

Error.stackTraceLimit = 0 // thousands of expected errors, of which nobody reads where they were made
const { runSchedule, profileNamed } = await import(workerData.url)
const profile = profileNamed(workerData.profile)

/** Failures that nobody waited for: each would end a process. */
const unheard = []
process.on('unhandledRejection', (error) => unheard.push(`nobody waited for what failed: ${String(error)}`))

parentPort.on('message', async (chunk) => {
  if (chunk === undefined) return void parentPort.close()
  const failures = []
  const stories = []
  let [acknowledged, fewest, most] = [0, Number.POSITIVE_INFINITY, 0]
  for (let seed = chunk.from; seed < chunk.to; seed++) {
    const result = await runSchedule(seed, { profile })
    await new Promise((resolve) => setImmediate(resolve)) // until then Node tells of nothing that was unheard
    const violations = [...result.violations, ...unheard.splice(0)]
    acknowledged += result.acknowledged
    if (workerData.tell) stories.push(result.story())
    fewest = Math.min(fewest, result.acknowledged)
    most = Math.max(most, result.acknowledged)
    if (violations.length > 0) failures.push({ seed, violations, story: failures.length < TOLD ? result.story() : '' })
  }
  parentPort.postMessage({ schedules: chunk.to - chunk.from, acknowledged, fewest, most, failures, stories })
})
