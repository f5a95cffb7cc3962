import { expect } from 'vitest'
import { randomFrom } from '../file/random.ts'
import type { Place } from './places.ts'
import { newTally, Rounds, type Tally } from './rounds.ts'
import type { Doom } from './script.ts'
import { EVERYTHING, largeCommit, push, type Work } from './scripts.ts'
import { NOTHING } from './state.ts'
import { Executioner, moments } from './victim.ts'

const MANY = 20 // revisions: enough for a segment, which prune rewrites

/** `count` processes push, roll back or collect on one document, in turn, and each is killed at some moment. */
export async function killAtRandom(program: string, place: Place, count: number): Promise<Tally> {
  const random = randomFrom(7)
  const tally = newTally()
  const rounds = new Rounds(place, new Executioner(program, place.env), tally)
  await rounds.begin(6)
  const work = (index: number) => EVERYTHING[index % EVERYTHING.length]!(rounds.state, random, `process ${index}`)
  await rounds.round(work(0), 'at the end')
  for (const [index, moment] of moments(count, random).entries()) await rounds.round(work(index + 1), moment)
  await rounds.tidy()
  return tally
}

/**
 * Processes do the same work, and die right before or right after the write that makes the change, then at the first of its requests, the second, and
 * so on to the last. Which request it is that makes the change differs from round to round, so it is met by what it is.
 */
export async function killAtEachRequest(program: string, place: Place, work: Work): Promise<Tally> {
  const random = randomFrom(8)
  const tally = newTally()
  const rounds = new Rounds(place, new Executioner(program, place.env), tally)
  await rounds.begin(MANY)
  const dies = async (request: Doom['request'], when: Doom['when']) => {
    const script = work(rounds.state, random, `at request ${request} ${when}`)
    return await rounds.round(script, 'at the end', { dieAt: { request, when } })
  }
  await dies('write of the head', 'before')
  await dies('write of the head', 'after')
  for (let request = 1; ; request++) {
    for (const when of ['before', 'after'] as const) {
      const { phase } = await dies(request, when)
      if (phase !== 'after') continue
      await rounds.tidy()
      return tally // it has no more requests
    }
  }
}

/** `count` processes each make a store and its first revisions, and are killed at some moment. */
export async function killWhileMade(program: string, open: () => Promise<Place>, count: number): Promise<Tally> {
  const random = randomFrom(9)
  const tally = newTally()
  const first = await open()
  const executioner = new Executioner(program, first.env)
  const round = (place: Place, moment: number | 'at the end') =>
    new Rounds(place, executioner, tally).round(push(NOTHING, random, 'the first'), moment, { init: true })
  await round(first, 'at the end')
  for (const moment of moments(count, random)) await round(await open(), moment)
  return tally
}

/** Processes make a store and its first revision, and die right before or right after the first request, the second, and so on. */
export async function killAtEachRequestWhileMade(program: string, open: () => Promise<Place>): Promise<Tally> {
  const random = randomFrom(10)
  const tally = newTally()
  const executioner = new Executioner(program, (await open()).env)
  for (let request = 1; ; request++) {
    for (const when of ['before', 'after'] as const) {
      const rounds = new Rounds(await open(), executioner, tally)
      const script = largeCommit(NOTHING, random, 'the first')
      const { phase } = await rounds.round(script, 'at the end', { init: true, dieAt: { request, when } })
      if (phase === 'after') return tally
    }
  }
}

/** Right before the write that makes a change it is lost, right after it is there; and what was uploaded for a lost one was collected. */
export function expectBothEnds({ landed, lost, collected }: Tally, work: Work): void {
  const told = JSON.stringify({ landed, lost, collected })
  expect(Math.min(landed, lost), told).toBeGreaterThan(0)
  if (work === largeCommit) expect(collected, told).toBeGreaterThan(0)
}

/** Before and after each of the six requests that a store and its first large revision cost; more where one was made again. */
export function expectAtEachRequest(tally: Tally): void {
  expect(tally.during, JSON.stringify(tally)).toBeGreaterThanOrEqual(12)
  expect(tally.landed, JSON.stringify(tally)).toBeGreaterThan(0)
}

/**
 * Of `count` deaths at random moments, some came before the first operation, many in one, and some after the last. When there are few, the moments of
 * the beginning and of the end are one or two each, and a busy machine may miss them.
 */
export function expectEverywhere(tally: Tally, count: number): void {
  const { before, during, after, lost } = tally
  const few = count < 50
  const everywhere = [few || before > 0, during > (few ? 0 : count / 4), few || after > 1, few || lost > 0]
  expect(everywhere, JSON.stringify(tally)).not.toContain(false)
}
