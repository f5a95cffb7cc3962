// The services that the bench talks to, in a process of their own: the strict S3 server and dynalite, each behind the project's proxy, which
// counts requests and holds each of them back. `startService` makes the process and speaks with it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const CREDENTIAL = { accessKeyId: 'fixture-key', secretAccessKey: 'fixture-secret' }

/** Starts the process. Requests count from the last `take`, and are held back by `latency` ms each. */
export async function startService() {
  const child = fork(fileURLToPath(import.meta.url), ['--serve'])
  const ask = async (message) => {
    child.send(message)
    const [answer] = await once(child, 'message')
    return answer
  }
  const { s3, direct, dynamo, table } = await ask({ start: true })
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: CREDENTIAL.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIAL.secretAccessKey,
    AWS_REGION: 'us-east-1',
  })
  const at = (endpoint) => (prefix) => `s3://bench/${prefix}?region=us-east-1&endpoint=${endpoint}`
  return {
    store: at(s3),
    /** Past the proxy, whose holding of whole messages would count for large bodies. */
    directStore: at(direct),
    direct,
    lock: `dynamodb://${table}?region=us-east-1&endpoint=${encodeURIComponent(dynamo)}`,
    latency: (ms) => ask({ latency: ms }),
    /** Requests since the last time, and how many had to wait for one another. */
    take: () => ask({ take: true }),
    close: () => child.kill(),
  }
}

/** How many requests had to wait for one another: each stands one deeper than the deepest that had ended when it came. */
function inTurn(requests) {
  const deep = []
  for (const { arrivedAt, endedAt } of requests.toSorted((a, b) => a.arrivedAt - b.arrivedAt)) {
    const before = deep.filter((one) => one.endedAt <= arrivedAt).map(({ depth }) => depth)
    deep.push({ endedAt, depth: 1 + Math.max(0, ...before) })
  }
  return Math.max(0, ...deep.map(({ depth }) => depth))
}

async function serve() {
  const { dynamoDbWire, startFaultProxy, startS3Server } = await import('keelstate/testing')
  const { default: dynalite } = await import('dynalite')
  const { CreateTableCommand, DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
  const server = await startS3Server({ credentials: [CREDENTIAL] })
  server.createBucket('bench')
  const locks = dynalite({ createTableMs: 0 })
  locks.listen(0, '127.0.0.1')
  await once(locks, 'listening')
  const endpoint = `http://127.0.0.1:${locks.address().port}`
  const client = new DynamoDBClient({ endpoint, region: 'us-east-1', credentials: CREDENTIAL })
  const table = 'bench-locks'
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: 'store', KeyType: 'HASH' },
        { AttributeName: 'document', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: ['store', 'document'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    }),
  )
  const proxies = [await startFaultProxy(server.endpoint), await startFaultProxy(endpoint, dynamoDbWire)]
  const taken = [0, 0]
  process.on('message', async (message) => {
    if (message.start) {
      const [s3, dynamo] = proxies.map((proxy) => proxy.endpoint)
      process.send({ s3, dynamo, direct: server.endpoint, table })
    } else if (message.take) {
      await Promise.all(proxies.map((proxy) => proxy.settled()))
      const requests = proxies.flatMap((proxy, at) => proxy.requests.slice(taken[at]))
      for (const [at, proxy] of proxies.entries()) taken[at] = proxy.requests.length
      process.send({ requests: requests.length, inTurn: inTurn(requests) })
    } else {
      for (const proxy of proxies) proxy.latencyMs = message.latency
      process.send({})
    }
  })
  process.on('disconnect', () => process.exit())
}

if (process.argv[2] === '--serve') await serve()
