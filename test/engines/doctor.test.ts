import { DynamoDBClient, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb'
import { describe, expect, it } from 'vitest'
import { type DoctorReport, doctor, openStore } from '../../src/index.ts'
import { dynamoDbLockStore } from '../../src/locking/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { count, reportCounts } from '../counts.ts'
import { dynamoDbEngines } from './aws.ts'
import { storeEngines } from './stores.ts'

const rounds = count(100, 10) // fewer are not remembered
reportCounts(import.meta.filename, { 'rounds of races': rounds })

const unsafe = ({ findings }: DoctorReport): string[] =>
  findings.filter(({ verdict }) => verdict === 'unsafe').map(({ check }) => check)
const verdictOf = ({ findings }: DoctorReport, check: string): string | undefined =>
  findings.find((finding) => finding.check === check)?.verdict

for (const engine of storeEngines) {
  describe(`doctor on ${engine.name}`, () => {
    it.each([false, true])('finds it safe, and says whether it keeps versions: %s', async (versioning) => {
      const store = engine.open({ bucket: await engine.newBucket({ versioning }), prefix: 'team/prod' })
      const report = await doctor({ store, rounds })
      expect([report.verdict, unsafe(report)], JSON.stringify(report, undefined, 1)).toEqual(['safe', []])
      expect(report.remembered).toBe(true)
      expect(verdictOf(report, 'versioning')).toBe(versioning ? 'ok' : 'warning')
      await store.close()
    })
  })
}

for (const { name, endpoint, region, credentials, newLockTable } of dynamoDbEngines) {
  describe(`doctor on a lock table in ${name}`, () => {
    it('finds it safe, until items are deleted by their age', async () => {
      const table = await newLockTable()
      const store = memoryStore()
      await (await openStore({ store, keys: 'plaintext' })).init()
      const lock = dynamoDbLockStore({ table, endpoint, region, credentials })
      const report = await doctor({ store, lock, rounds })
      expect([report.verdict, unsafe(report)], JSON.stringify(report, undefined, 1)).toEqual(['safe', []])
      for (const check of ['lock-table', 'lock-replicas', 'lock-ttl', 'lock-pairing'])
        expect(verdictOf(report, check), check).toBe('ok')

      const client = new DynamoDBClient({ endpoint, region, credentials })
      const TimeToLiveSpecification = { Enabled: true, AttributeName: 'expires' }
      await client.send(new UpdateTimeToLiveCommand({ TableName: table, TimeToLiveSpecification }))
      expect(unsafe(await doctor({ store, lock, rounds: 1 }))).toEqual(['lock-ttl'])
      client.destroy()
      await lock.close()
    })
  })
}
