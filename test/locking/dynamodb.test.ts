import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import dynalite from 'dynalite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { json, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'

let server: Server
let address: string
beforeAll(async () => {
  server = dynalite({ createTableMs: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  process.env['AWS_ACCESS_KEY_ID'] = 'a'
  process.env['AWS_SECRET_ACCESS_KEY'] = 'b'
  const client = new DynamoDBClient({ endpoint, region: 'us-east-1' })
  await client.send(
    new CreateTableCommand({
      TableName: 'locks',
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: 'store', KeyType: 'HASH' },
        { AttributeName: 'document', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: 'store', AttributeType: 'S' },
        { AttributeName: 'document', AttributeType: 'S' },
      ],
    }),
  )
  address = `dynamodb://locks?region=us-east-1&endpoint=${encodeURIComponent(endpoint)}`
})
afterAll(() => server.close())

it('locks in DynamoDB', async () => {
  const bucket = new MemoryBucket()
  const open = () => openStore({ store: memoryStore({ bucket }), keys: 'plaintext', lock: address })
  const [left, right] = [
    (await open()).document('shop/prod', json<number>()),
    (await open()).document('shop/prod', json<number>()),
  ]
  const held = await left.lock({ operation: 'deploy' })
  await held.commit(1)
  await expect(right.lock({ operation: 'x' })).rejects.toMatchObject({ code: 'Locked', details: { owner: held.owner } })
  await held.release()
  await right.withLock({ operation: 'y' }, async (next) => {
    expect(next.current?.value).toBe(1)
    await next.commit(2)
  })
  await left.withLock({ operation: 'z' }, async (next) => expect(next.current?.value).toBe(2))
})
