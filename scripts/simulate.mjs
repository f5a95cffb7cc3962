// Plays seeded schedules of writers, readers and collectors over a faulty network in virtual time, and judges each by its history.
//   npm run simulate -- --schedules 2000 --seed 1
// A schedule that breaks a promise is told in full, and its seed replays it exactly.
import { parseArgs } from 'node:util'
import { runSchedule } from '../dist/testing/simulation/index.js'

const say = (line) => process.stderr.write(`${line}\n`)
const { values } = parseArgs({
  options: { schedules: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' } },
})
const [schedules, first] = [Number(values.schedules), Number(values.seed)]
if (!(Number.isSafeInteger(schedules) && schedules > 0 && Number.isSafeInteger(first) && first >= 0)) {
  say('usage: npm run simulate -- [--schedules N] [--seed S]')
  process.exit(2)
}

const started = performance.now()
let [acknowledged, failed] = [0, 0]
for (let seed = first; seed < first + schedules; seed++) {
  const result = await runSchedule(seed)
  acknowledged += result.acknowledged
  if (result.violations.length > 0) {
    failed++
    say(`seed ${seed} broke a promise:\n  ${result.violations.join('\n  ')}\n${result.story()}`)
  }
  const done = seed - first + 1
  if (done % 1000 === 0) say(`${done} schedules, ${acknowledged} acknowledged changes`)
}
const seconds = ((performance.now() - started) / 1000).toFixed(1)
process.stdout.write(
  `${schedules} schedules from seed ${first}: ${failed} with violations, ${acknowledged} acknowledged changes, ${seconds} s\n`,
)
process.exit(failed === 0 ? 0 : 1)
