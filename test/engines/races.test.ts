import { describe, expect, test } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore, PutCondition } from '../../src/core/store.ts'
import { count, reportCounts } from '../counts.ts'
import { type StoreEngine, storeEngines } from './stores.ts'

const WRITERS = 16
const ROUNDS = count(200, 50)
reportCounts(import.meta.filename, { 'rounds of races': ROUNDS, writers: WRITERS })

for (const engine of storeEngines) {
  for (const versioning of [false, true]) {
    describe(`${engine.name}, ${versioning ? 'versioned' : 'plain'} bucket`, () => {
      test(`of ${WRITERS} racing creators exactly one wins, in each of ${ROUNDS} rounds`, async () => {
        await using racers = await open(engine, versioning)
        for (let round = 0; round < ROUNDS; round += 1) {
          await race(racers.stores, round, `heads/state/created-${round}/~`, { ifAbsent: true })
        }
      })

      test(`of ${WRITERS} racing writers on one version exactly one wins, in each of ${ROUNDS} rounds`, async () => {
        await using racers = await open(engine, versioning)
        let token = await racers.stores[0]!.put('heads/state/moved/~', body('start'), { ifAbsent: true })
        for (let round = 0; round < ROUNDS; round += 1) {
          token = await race(racers.stores, round, 'heads/state/moved/~', { ifMatch: token })
        }
      })
    })
  }
}

/**
 * All write at once; resolves to the token of the one that won. No two bodies are alike, nor like an earlier one: an ETag is a digest, and one
 * that comes back would let a second writer in.
 */
async function race(
  stores: readonly ObjectStore[],
  round: number,
  key: string,
  condition: PutCondition,
): Promise<string> {
  const text = (writer: number) => body(`written by ${writer} in round ${round}`)
  const outcomes = await Promise.all(
    stores.map((store, writer) =>
      store.put(key, text(writer), condition).then(
        (token) => ({ writer, token }),
        (error: unknown) => (KeelstateError.is(error, 'PreconditionFailed') ? 'lost' : Promise.reject(error)),
      ),
    ),
  )
  const winners = outcomes.filter((outcome) => outcome !== 'lost')
  expect(winners).toHaveLength(1)
  const { writer, token } = winners[0]!
  expect(await stores[0]!.get(key)).toEqual({ bytes: text(writer), token })
  return token
}

/** Writers with a connection of their own each, on one bucket. */
async function open(engine: StoreEngine, versioning: boolean): Promise<AsyncDisposable & { stores: ObjectStore[] }> {
  const bucket = await engine.newBucket({ versioning })
  const stores = Array.from({ length: WRITERS }, () => engine.open({ bucket }))
  return {
    stores,
    async [Symbol.asyncDispose]() {
      await Promise.all(stores.map((store) => store.close()))
    },
  }
}

function body(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
