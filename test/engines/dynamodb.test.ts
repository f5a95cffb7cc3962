import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { json, openStore, type Store } from '../../src/index.ts'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { count, reportCounts } from '../counts.ts'
import { dynamoDbEngines } from './aws.ts'

const RACERS = 16
const ROUNDS = count(200, 20)
reportCounts(import.meta.filename, { 'rounds of races': ROUNDS, racers: RACERS })

for (const engine of dynamoDbEngines) {
  const { endpoint, region, credentials } = engine
  describe(`locks in DynamoDB, on ${engine.name}`, () => {
    it(`of ${RACERS} that lock at once exactly one gets it, and the others are told who, in each of ${ROUNDS} rounds`, async () => {
      const [table, bucket] = [await engine.newLockTable(), new MemoryBucket()]
      const racers = Array.from({ length: RACERS }, () => {
        const client = new DynamoDBClient({ endpoint, region, credentials, maxAttempts: 1 })
        const open = openStore({
          store: memoryStore({ bucket }),
          lock: dynamoDbLockStore({ table, client }),
          keys: 'plaintext',
        })
        return { client, open }
      })
      const stores = await Promise.all(racers.map(({ open }) => open))
      await stores[0]!.init()
      for (let round = 0; round < ROUNDS; round += 1)
        await race(stores, round % 2 === 0 ? 'shop/prod' : `shop/${round}`)
      await Promise.all(stores.map((store) => store.close()))
      for (const { client } of racers) client.destroy()
    })
  })
}

async function race(stores: readonly Store[], name: string): Promise<void> {
  const attempts = await Promise.all(
    stores.map((store) =>
      store
        .document(name, json<number>())
        .lock({ operation: 'race' })
        .catch((error: unknown) => (KeelstateError.is(error, 'Locked') ? error.details.owner : Promise.reject(error))),
    ),
  )
  const winners = attempts.filter((attempt) => typeof attempt !== 'string')
  expect(winners).toHaveLength(1)
  const [winner] = winners
  const told = attempts.filter((attempt) => typeof attempt === 'string')
  expect(new Set(told)).toEqual(new Set([winner!.owner]))
  await winner!.commit((winner!.current?.value ?? 0) + 1)
  await winner!.release()
}
