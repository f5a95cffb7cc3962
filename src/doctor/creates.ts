import { KeelstateError } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import type { ObjectKey } from '../core/store.ts'
import type { Bench } from './bench.ts'
import { type After, RaceJudge } from './race.ts'

/**
 * Races creations of one object. Every second round re-uses a name that was deleted: in a versioned bucket a delete marker stands there, which counts as
 * nothing.
 */
export async function raceCreates(bench: Bench, onRound: () => void): Promise<Finding> {
  const { writers } = bench
  const judge = new RaceJudge()
  let deleted: ObjectKey | undefined
  while (judge.rounds < bench.rounds && !judge.decided) {
    const key = deleted ?? bench.newKey()
    const bodies = Array.from({ length: writers }, () => bench.newBody())
    const contenders = await Promise.all(bodies.map((body) => bench.write(key, body, { ifAbsent: true })))
    judge.note(contenders, after((await bench.read(key))?.bytes, bodies))
    onRound()
    // A request that was not answered may still be on its way: it must not meet another round.
    const settled = contenders.every(({ outcome }) => outcome !== 'unknown')
    deleted = deleted === undefined && settled && (await isRemoved(bench, key)) ? key : undefined
  }
  return judge.finding('create-race', 'create the same object', writers)
}

/** A taken name has to be refused, and what stands there left as it is. */
export async function createTaken(bench: Bench): Promise<Finding> {
  const check = 'create-refused'
  const body = bench.newBody()
  const { key } = await bench.create(body)
  const { outcome } = await bench.write(key, bench.newBody(), { ifAbsent: true })
  const kept = same((await bench.read(key))?.bytes, body)
  if (outcome === 'refused' && kept)
    return {
      check,
      verdict: 'ok',
      says: 'An object that exists is not created again (If-None-Match, ifGenerationMatch=0).',
    }
  const says = !kept
    ? 'An object that existed was overwritten by a request to create it.'
    : outcome === 'won'
      ? 'A request to create an object that exists was answered as if it had been created.'
      : undefined
  if (says === undefined)
    return { check, verdict: 'unknown', says: 'The request was not answered.', todo: 'Run it again.' }
  return { check, verdict: 'unsafe', says, todo: 'The service ignores the condition: use another one.' }
}

export function after(stored: Uint8Array | undefined, bodies: readonly Uint8Array[], before?: Uint8Array): After {
  if (same(stored, before)) return { stands: 'before' }
  const number = bodies.findIndex((body) => same(stored, body))
  return number < 0 ? { stands: 'foreign' } : { stands: 'contender', number }
}

export function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0
}

/** Without the permission to delete, every round takes a new name. */
async function isRemoved(bench: Bench, key: ObjectKey): Promise<boolean> {
  try {
    await bench.remove([key])
    return true
  } catch (error) {
    if (KeelstateError.is(error, 'AccessDenied')) return false
    throw error
  }
}
