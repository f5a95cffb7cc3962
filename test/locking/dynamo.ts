import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb'
import dynalite from 'dynalite'
import { dynamoDbLockStore, type LockStore } from '../../src/locking/index.ts'
import { dynamoDbWire, type LockStoreHarness, startFaultProxy } from '../../src/testing/index.ts'

/** A service that speaks DynamoDB's protocol. */
export interface DynamoDb {
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

export const REGION = 'us-east-1'
const CREDENTIALS = { accessKeyId: 'keelstatetest', secretAccessKey: 'keelstate-test-secret' }
const FOREVER = { times: Number.POSITIVE_INFINITY }

/** Starts dynalite on the loopback interface. */
export async function startDynalite(): Promise<DynamoDb & { close(): Promise<void> }> {
  const server: Server = dynalite({ createTableMs: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    credentials: CREDENTIALS,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Makes a lock table as a team would, and resolves to its name. */
export async function createLockTable(service: DynamoDb): Promise<string> {
  const client = new DynamoDBClient({ ...service, region: REGION })
  try {
    const TableName = `locks-${randomBytes(8).toString('hex')}`
    await client.send(
      new CreateTableCommand({
        TableName,
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
    return TableName
  } finally {
    client.destroy()
  }
}

/** A client of the SDK's own, and the names of the requests that leave it. */
export function countingClient(service: DynamoDb): { client: DynamoDBClient; sent: string[] } {
  const client = new DynamoDBClient({ ...service, region: REGION, maxAttempts: 1 })
  const sent: string[] = []
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        sent.push(String(commandName))
        return next(args)
      },
    { step: 'finalizeRequest', name: 'count' },
  )
  return { client, sent }
}

/** `dynamoDbLockStore` through the real SDK; a table for each case, and a proxy that can leave requests without an answer. */
export function dynamoHarness(name: string, service: () => DynamoDb): LockStoreHarness {
  const places = new Map<LockStore, { table: string; proxy: Awaited<ReturnType<typeof startFaultProxy>> }>()
  const proxied = () => startFaultProxy(service().endpoint, dynamoDbWire)
  const broken: { close(): Promise<void> }[] = []
  const open = (table: string, endpoint: string) =>
    dynamoDbLockStore({ table, endpoint, region: REGION, credentials: service().credentials })
  return {
    name,
    manyStores: true,
    async open() {
      const place = { table: await createLockTable(service()), proxy: await proxied() }
      const locks = open(place.table, place.proxy.endpoint)
      places.set(locks, place)
      return locks
    },
    async openAgain(locks) {
      return open(places.get(locks)!.table, service().endpoint)
    },
    openMissingPlace: async () => open('no-such-table', service().endpoint),
    async openDenied() {
      const proxy = await proxied()
      broken.push(proxy)
      proxy.faults.add(FOREVER, { do: 'status', status: 400, code: 'AccessDeniedException' })
      return open(await createLockTable(service()), proxy.endpoint)
    },
    async stall(locks) {
      places.get(locks)!.proxy.faults.add(FOREVER, { do: 'stall' })
    },
    async damage(locks, key) {
      const client = new DynamoDBClient({ ...service(), region: REGION })
      const Item = { store: { S: key.storeId }, document: { S: key.identity }, held: { S: 'no' } }
      await client.send(new PutItemCommand({ TableName: places.get(locks)!.table, Item }))
      client.destroy()
    },
    async dispose(locks) {
      await places.get(locks)!.proxy.close()
      for (const each of broken.splice(0)) await each.close()
    },
  }
}
