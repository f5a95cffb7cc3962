// Plays seeded schedules of writers, holders, readers and collectors over a faulty network in virtual time, and judges each by its history.
//   npm run simulate -- --schedules 2000 --seed 1 [--profile P] [--workers N] [--tell]
//   npm run simulate -- --schedules 1 --seed 7 --tell   what happens in it
//   npm run simulate -- --mutation M|all            whether a version that lacks one rule is found
//   npm run simulate -- --list-mutations | --list-profiles
// A schedule that breaks a promise is told in full, and its seed replays it exactly.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { bundleSimulation } from './simulation-bundle.mjs'

const CHUNK = 25 // schedules that a worker plays at a time
const TOLD = 3 // stories; of further failures only the seed and what is wrong
const FULL = 100_000
const YOUNG_MB = 64 // what one schedule leaves behind is garbage when the next begins: collected less often, less of it is moved

const say = (line) => process.stderr.write(`${line}\n`)

class Usage extends Error {}

try {
  process.exitCode = await main(options())
} catch (error) {
  if (!(error instanceof Usage)) throw error
  say(error.message)
  say(
    'usage: npm run simulate -- [--schedules N] [--seed S] [--profile P] [--mutation M] [--workers N] [--tell] [--list-mutations] [--list-profiles]',
  )
  process.exitCode = 2
}

function options() {
  const defaults = { schedules: process.env.KEELSTATE_PROVE ? `${FULL}` : '2000', workers: `${availableParallelism()}` }
  const string = (value) => ({ type: 'string', ...(value === undefined ? {} : { default: value }) })
  let values
  try {
    values = parseArgs({
      options: {
        schedules: string(defaults.schedules),
        seed: string('1'),
        profile: string('everything'),
        mutation: string(),
        workers: string(defaults.workers),
        tell: { type: 'boolean' },
        'list-mutations': { type: 'boolean' },
        'list-profiles': { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new Usage(error.message)
  }
  const [schedules, seed, workers] = [Number(values.schedules), Number(values.seed), Number(values.workers)]
  const whole = (value, from) => Number.isSafeInteger(value) && value >= from
  if (!whole(schedules, 1) || !whole(seed, 0) || !whole(workers, 1))
    throw new Usage('--schedules and --workers must be whole numbers from 1, --seed from 0')
  return { ...values, schedules, seed, workers }
}

async function main(values) {
  const plain = await bundleSimulation([])
  try {
    const { MUTATIONS, PROFILES, runSchedule } = await import(plain.url)
    if (values['list-mutations'])
      return list(MUTATIONS.map(({ name, rule, within }) => [name, `${rule} (found within ${within})`]))
    if (values['list-profiles']) return list(Object.entries(PROFILES).map(([name, { about }]) => [name, about]))
    if (values.mutation !== undefined) return await mutations(MUTATIONS, runSchedule, values)
    if (!Object.hasOwn(PROFILES, values.profile)) throw new Usage(`there is no profile "${values.profile}"`)
    return await schedules(plain.url, values)
  } finally {
    await plain.remove()
  }
}

function list(rows) {
  for (const [name, what] of rows) process.stdout.write(`${name}\t${what}\n`)
  return 0
}

/** The real code: nothing may be found. */
async function schedules(url, { schedules, seed, profile, workers, tell = false }) {
  const began = performance.now()
  const before = process.cpuUsage()
  const sum = { schedules: 0, acknowledged: 0, failed: 0, fewest: Infinity, most: 0 }
  await play({ url, profile, workers, seed, schedules, tell }, (result) => {
    for (const story of result.stories) process.stdout.write(`${story}\n`)
    sum.schedules += result.schedules
    sum.acknowledged += result.acknowledged
    sum.fewest = Math.min(sum.fewest, result.fewest)
    sum.most = Math.max(sum.most, result.most)
    for (const { seed, violations, story } of result.failures) {
      sum.failed++
      say(`seed ${seed} broke a promise:\n  ${violations.join('\n  ')}${sum.failed > TOLD ? '' : `\n${story}`}`)
    }
    if (sum.schedules % 5000 < result.schedules)
      say(`${sum.schedules} schedules, ${sum.acknowledged} acknowledged changes`)
    return false
  })
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(before) // of all workers
  const perCore = Math.round(sum.acknowledged / ((user + system) / 1e6))
  process.stdout.write(
    `${schedules} schedules of ${profile} from seed ${seed}: ${sum.failed} with violations, ${sum.acknowledged} acknowledged changes (${sum.fewest} to ${sum.most} each), ${seconds.toFixed(1)} s with ${workers} workers, ${perCore} changes per second of processor time\n`,
  )
  return sum.failed === 0 ? 0 : 1
}

/** Versions that lack a rule: each must be found, in a schedule that the right version survives. */
async function mutations(all, runRight, { mutation, seed, workers }) {
  const wanted = mutation === 'all' ? all : all.filter(({ name }) => name === mutation)
  if (wanted.length === 0) throw new Usage(`there is no mutation "${mutation}"`)
  let missed = 0
  for (const { name, patches, profile, within } of wanted) {
    const bundle = await bundleSimulation(patches)
    let found
    try {
      await play({ url: bundle.url, profile: name, workers, seed, schedules: within }, (result) => {
        for (const failure of result.failures) if (found === undefined || failure.seed < found.seed) found = failure
        return found !== undefined
      })
    } finally {
      await bundle.remove()
    }
    const right = found === undefined ? undefined : await runRight(found.seed, { profile })
    const outcome =
      found === undefined
        ? `NOT FOUND in ${within} schedules`
        : right.violations.length > 0
          ? `seed ${found.seed} breaks the right version too: ${right.violations[0]}`
          : `found by seed ${found.seed}: ${found.violations[0]}`
    if (!outcome.startsWith('found')) missed++
    process.stdout.write(`${name}: ${outcome}\n`)
    if (found !== undefined && wanted.length === 1) say(`${found.violations.join('\n')}\n${found.story}`)
  }
  return missed === 0 ? 0 : 1
}

/** Spreads schedules over worker threads, in order. @param onResult Gets what a worker played; true: that is enough. */
async function play({ url, profile, workers, seed, schedules, tell }, onResult) {
  let next = seed
  const end = seed + schedules
  let enough = false
  const chunk = Math.max(1, Math.min(CHUNK, Math.ceil(schedules / workers / 4)))
  const one = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./simulation-worker.mjs', import.meta.url), {
        workerData: { url, profile, tell },
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      })
      const more = () => {
        if (enough || next >= end) return void worker.postMessage(undefined)
        const from = next
        next = Math.min(end, from + chunk)
        worker.postMessage({ from, to: next })
      }
      worker.on('message', (result) => {
        if (onResult(result)) enough = true
        more()
      })
      worker.on('error', reject)
      worker.on('exit', resolve)
      more()
    })
  await Promise.all(Array.from({ length: Math.min(workers, Math.ceil(schedules / chunk)) }, one))
}
