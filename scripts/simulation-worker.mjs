// Plays schedules for simulate.mjs, chunk by chunk, until it is told that there are no more.
import { parentPort, workerData } from 'node:worker_threads'

const TOLD = 3 // stories that a chunk brings

Error.stackTraceLimit = 0 // thousands of expected errors, of which nobody reads where they were made
const { runSchedule, profileNamed } = await import(workerData.url)
const profile = profileNamed(workerData.profile)

parentPort.on('message', async (chunk) => {
  if (chunk === undefined) return void parentPort.close()
  const failures = []
  const stories = []
  let [acknowledged, fewest, most] = [0, Number.POSITIVE_INFINITY, 0]
  for (let seed = chunk.from; seed < chunk.to; seed++) {
    const result = await runSchedule(seed, { profile })
    acknowledged += result.acknowledged
    if (workerData.tell) stories.push(result.story())
    fewest = Math.min(fewest, result.acknowledged)
    most = Math.max(most, result.acknowledged)
    if (result.violations.length > 0)
      failures.push({ seed, violations: [...result.violations], story: failures.length < TOLD ? result.story() : '' })
  }
  parentPort.postMessage({ schedules: chunk.to - chunk.from, acknowledged, fewest, most, failures, stories })
})
