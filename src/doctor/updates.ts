import { KeelstateError } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import type { ObjectKey, StoredObject } from '../core/store.ts'
import type { Bench } from './bench.ts'
import { after, same } from './creates.ts'
import { RaceJudge } from './race.ts'

/** The one object of doctor that is moved, never deleted. It stays: 64 bytes. */
const MOVED: ObjectKey = 'doctor/probe'

/** The moved probe as it stands; made when this is the first run here, by writers that race. */
async function movedProbe(bench: Bench): Promise<{ standing: StoredObject; created?: Finding }> {
  const found = await bench.read(MOVED)
  if (found !== undefined) return { standing: found }
  const judge = new RaceJudge()
  const bodies = Array.from({ length: bench.writers }, () => bench.newBody())
  const contenders = await Promise.all(bodies.map((body) => bench.write(MOVED, body, { ifAbsent: true })))
  const standing = await bench.read(MOVED)
  judge.note(contenders, after(standing?.bytes, bodies))
  const created = judge.finding('create-race', 'create the same object', bench.writers)
  if (standing !== undefined) return { standing, created }
  throw new KeelstateError('Unsupported', {
    key: MOVED,
    message: 'No object could be created to be moved, although none stood there.',
  })
}

/** Races updates of one object on one token. */
export async function raceUpdates(bench: Bench, onRound: () => void): Promise<Finding> {
  const { created } = await movedProbe(bench)
  if (created?.verdict === 'unsafe') return { ...created, check: 'update-race' }
  const judge = new RaceJudge()
  while (judge.rounds < bench.rounds && !judge.decided) {
    const base = (await movedProbe(bench)).standing
    const bodies = Array.from({ length: bench.writers }, () => bench.newBody())
    const contenders = await Promise.all(bodies.map((body) => bench.write(MOVED, body, { ifMatch: base.token })))
    judge.note(contenders, after((await bench.read(MOVED))?.bytes, bodies, base.bytes))
    onRound()
  }
  return judge.finding('update-race', 'replace the same version', bench.writers)
}

/** A write on a version that is not the present one has to be refused: on an earlier one, and where nothing stands. */
export async function updateRefused(bench: Bench): Promise<Finding> {
  const check = 'update-refused'
  const todo = 'The service ignores the condition (If-Match, ifGenerationMatch): use another one.'
  const first = (await movedProbe(bench)).standing
  const body = bench.newBody()
  const moved = await bench.write(MOVED, body, { ifMatch: first.token })
  if (moved.outcome === 'refused' && same((await bench.read(MOVED))?.bytes, first.bytes))
    return {
      check,
      verdict: 'unsafe',
      says: 'A write on the version that stands was refused, although the condition held.',
      todo,
    }
  if (moved.outcome !== 'won') return undecided(check)
  if (moved.written === first.token)
    return {
      check,
      verdict: 'unsafe',
      says: 'Another body has the same version token: a changed object looks unchanged.',
      todo,
    }
  const lateBody = bench.newBody()
  const late = await bench.write(MOVED, lateBody, { ifMatch: first.token })
  const now = await bench.read(MOVED)
  if (late.outcome === 'won' || same(now?.bytes, lateBody))
    return { check, verdict: 'unsafe', says: 'A write on a version that had been replaced was carried out.', todo }
  if (late.outcome === 'unknown' || !same(now?.bytes, body)) return undecided(check)
  const absent = bench.newAbsentKey()
  const nowhere = await bench.write(absent, bench.newBody(), { ifMatch: moved.written })
  if (nowhere.outcome === 'won' || (await bench.read(absent)) !== undefined)
    return {
      check,
      verdict: 'unsafe',
      says: 'A write on a version of an object that does not exist created it.',
      todo,
    }
  if (nowhere.outcome === 'unknown') return undecided(check)
  return {
    check,
    verdict: 'ok',
    says: 'Writes on a version that was replaced, and on one of an absent object, are refused.',
  }
}

/** A reader that names the version it knows is told of a newer one. */
export async function conditionalReads(bench: Bench): Promise<Finding> {
  const check = 'conditional-read'
  const known = (await movedProbe(bench)).standing
  const unchanged = await bench.readUnless(MOVED, known.token)
  const body = bench.newBody()
  const moved = await bench.write(MOVED, body, { ifMatch: known.token })
  const news = await bench.readUnless(MOVED, known.token)
  if (moved.outcome !== 'won') return undecided(check)
  if (news === 'unchanged' || news === undefined || same(news.bytes, known.bytes)) {
    return {
      check,
      verdict: 'unsafe',
      says: 'A reader that named an earlier version was told that nothing had changed, or was given that one again.',
      todo: 'Look for a cache in between; readers here work on old state.',
    }
  }
  if (!same(news.bytes, body)) return undecided(check)
  if (unchanged !== 'unchanged' && bench.store.capabilities.conditionalGet) {
    return {
      check,
      verdict: 'warning',
      says: 'A body is sent although it is known already (If-None-Match on a read is ignored): every read costs it.',
    }
  }
  return { check, verdict: 'ok', says: 'An unchanged object costs no body, and a changed one is told from it.' }
}

function undecided(check: string): Finding {
  const says = 'A request was not answered, or somebody else was at work on the same probe.'
  return { check, verdict: 'unknown', says, todo: 'Run it again.' }
}

/** What was written is there for every reader at once, under a name that was found absent a moment before and under one that was moved. */
export async function readAfterWrite(bench: Bench, onRound: () => void): Promise<Finding> {
  const check = 'read-after-write'
  const rounds = Math.min(bench.rounds, READ_ROUNDS)
  let stale = 0
  for (let round = 0; round < rounds; round++) {
    const key = bench.newKey()
    const body = bench.newBody()
    if ((await bench.read(key)) !== undefined) continue
    const created = await bench.write(key, body, { ifAbsent: true })
    const readers = await Promise.all(Array.from({ length: READERS }, () => bench.read(key)))
    const known = (await movedProbe(bench)).standing
    const next = bench.newBody()
    const moved = await bench.write(MOVED, next, { ifMatch: known.token })
    const again = await Promise.all(Array.from({ length: READERS }, () => bench.read(MOVED)))
    const misread =
      (created.outcome === 'won' && readers.some((read) => !same(read?.bytes, body))) ||
      (moved.outcome === 'won' && again.some((read) => same(read?.bytes, known.bytes) || read === undefined))
    if (misread) stale++
    onRound()
  }
  if (stale === 0)
    return { check, verdict: 'ok', says: `What was written was there for ${READERS} readers at once, ${rounds} times.` }
  return {
    check,
    verdict: 'unsafe',
    says: `In ${stale} of ${rounds} rounds a reader did not see what had been written before it asked.`,
    todo: 'Look for a cache in between, or for a replica that is read: keelstate needs reads that see every finished write.',
  }
}

const READ_ROUNDS = 10
const READERS = 4
