import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { FaultRule } from '../../src/testing/index.ts'
import { BUCKET, type CloudPlace, clouds, PREFIX } from '../clouds.ts'
import { PROVE } from '../counts.ts'
import { createLockTable, type DynamoDb, REGION, startDynalite } from '../locking/dynamo.ts'
import { Workspace } from './workspace.ts'

const script = fileURLToPath(new URL('../../scripts/quickstart.mjs', import.meta.url))
const HEAD = { operation: 'PutObject', key: '*heads/*' }

describe.each(clouds)('on $name,', ({ scheme, broken, denied, start }) => {
  let place: CloudPlace
  let server: CloudPlace['server']
  let at: Workspace
  let store: string

  beforeEach(async () => {
    place = await start()
    ;({ server, address: store } = place)
    for (const [name, value] of Object.entries(place.env)) vi.stubEnv(name, value)
    at = new Workspace()
    at.write('keelstate.json', JSON.stringify({ store, keys: 'plaintext' }))
    await at.ok(['init'])
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    at.remove()
    await place.close()
  })

  describe('the commands', () => {
    it('are the same, with five requests for a push and one for a pull when the store’s id is configured', async () => {
      const { json } = await at.ok(['init', '--json'])
      at.write('keelstate.json', JSON.stringify({ store, keys: 'plaintext', storeId: json.storeId }))
      await at.ok(['push', 'shop/prod'], { input: '{"a":1}' }) // the first lock of a document claims its head, which is more
      server.takeRequests()
      await at.ok(['push', 'shop/prod'], { input: '{"a":2}' })
      const requests = server
        .takeRequests()
        .map(({ operation, key }) => `${operation} ${/heads|locks/.exec(key ?? '')?.[0]}`)
      expect(requests.sort()).toEqual([
        'GetObject heads',
        'GetObject locks',
        'PutObject heads',
        'PutObject locks',
        'PutObject locks',
      ])
      expect((await at.ok(['pull', 'shop/prod'])).stdout).toBe('{"a":2}')
      expect(server.takeRequests().map(({ operation }) => operation)).toEqual(['GetObject'])
    })

    it('find out that a push landed although its answer was lost', async () => {
      await at.ok(['push', 'lost/answer'], { input: '0' })
      server.faults.add(HEAD, { do: 'drop-answer' })
      const { json } = await at.ok(['push', 'lost/answer', '--json'], { input: '1' })
      expect(json.revision.number).toBe(2)
      expect((await at.ok(['history', 'lost/answer', '--json'])).json.revisions).toHaveLength(2)
    })

    it('end with 7 when an interrupted push may have landed and the store cannot say', async () => {
      await at.ok(['push', 'may/be'], { input: '0' })
      const stalled = server.faults.add({ ...HEAD, times: Number.POSITIVE_INFINITY }, { do: 'stall', when: 'after' })
      server.faults.add(
        { operation: 'GetObject', key: '*heads/*', nth: 2, times: Number.POSITIVE_INFINITY },
        { do: 'status', ...broken },
      )
      const interrupt = new AbortController()
      const pushing = at.run(['push', 'may/be', '--json'], { input: '1', signal: interrupt.signal })
      await hit(stalled)
      interrupt.abort()
      const { code, json } = await pushing
      expect([code, json.error.code]).toEqual([7, 'OutcomeUnknown'])
      expect(`${json.error.message} ${json.error.hint}`).toMatch(/[0-9a-f]{32}@3/)
    })

    it('end with 1, never with 5, when the bucket or the permission is missing', async () => {
      const bucket = await at.run(['pull', 'a', '--json', '--store', store.replace(BUCKET, 'no-such-bucket')])
      expect([bucket.code, bucket.json.error.code]).toEqual([1, 'BucketMissing'])
      place.deny()
      const denied = await at.run(['pull', 'a', '--json'])
      expect([denied.code, denied.json.error.code]).toEqual([1, 'AccessDenied'])
      const empty = await at.run(['pull', 'a', '--json', '--store', store.replace(`/${PREFIX}`, '/mistyped')])
      expect(empty.code).toBe(1)
    })
  })

  describe('a lock', () => {
    it('costs the push of a large body no request for the large body that it replaces', async () => {
      const { json } = await at.ok(['init', '--json'])
      at.write('keelstate.json', JSON.stringify({ store, keys: 'plaintext', storeId: json.storeId }))
      await at.ok(['push', 'large/body'], { input: 'x'.repeat(20_000) })
      server.takeRequests()
      await at.ok(['push', 'large/body'], { input: 'y'.repeat(20_000) })
      const requests = server
        .takeRequests()
        .map(({ operation, key }) => `${operation} ${/heads|locks|objects/.exec(key ?? '')?.[0]}`)
      expect(requests.sort()).toEqual([
        'GetObject heads',
        'GetObject locks',
        'PutObject heads',
        'PutObject locks',
        'PutObject locks',
        'PutObject objects',
      ])
    })

    const interrupted = async () => {
      const interrupt = new AbortController()
      const stalled = server.faults.add({ operation: 'PutObject', key: '*locks/*' }, { do: 'stall', when: 'after' })
      const taking = at.run(['lock', 'cut/short', '--for', '24h', '--json'], { signal: interrupt.signal })
      await hit(stalled)
      interrupt.abort()
      return await taking
    }

    it('is given up by a command that was interrupted while it took it, before the command ends', async () => {
      const { code, stderr } = await interrupted()
      expect([code, stderr]).toEqual([130, expect.not.stringContaining('warning')])
      expect((await at.ok(['locks', '--json'])).json.locks).toEqual([])
      await at.ok(['push', 'cut/short', '--wait', '0'], { input: '1' })
    })

    it('that cannot be given up then is told on stderr', async () => {
      server.faults.add(
        { operation: 'PutObject', key: '*locks/*', nth: 2, times: Number.POSITIVE_INFINITY },
        { do: 'status', ...denied },
      )
      const { code, stderr, json } = await interrupted()
      expect([code, json.error.code]).toEqual([130, 'Aborted'])
      expect(stderr).toMatch(
        /^warning: it is not known whether the lock on cut\/short was given up; it ends by itself\. /m,
      )
      server.faults.clear()
      const { owner } = (await at.ok(['locks', '--json'])).json.locks[0]!
      await at.ok(['unlock', 'cut/short', '--owner', owner])
    })
  })

  describe('locks in DynamoDB', () => {
    it('cost a push two requests to the table and two to the bucket', async () => {
      await using service = await startTable()
      const table = `dynamodb://${service.name}?region=${REGION}&endpoint=${service.endpoint}`
      const { json } = await at.ok(['init', '--json'])
      at.write('keelstate.json', JSON.stringify({ store, lock: table, keys: 'plaintext', storeId: json.storeId }))
      await at.ok(['push', 'in/table'], { input: '1' })
      server.takeRequests()
      await at.ok(['push', 'in/table'], { input: '2' })
      expect(server.takeRequests().map(({ operation }) => operation)).toEqual(['GetObject', 'PutObject'])
      const owner = (await at.ok(['lock', 'in/table'])).stdout.trim()
      expect((await at.run(['push', 'in/table', '--wait', '0'], { input: '3' })).code).toBe(4)
      expect((await at.ok(['locks', '--json'])).json.locks).toMatchObject([{ name: 'in/table', owner }])
      expect(server.takeRequests().some(({ key }) => key?.includes('locks/'))).toBe(false)
      await at.ok(['unlock', 'in/table', '--owner', owner])
    })
  })

  describe('npm run quickstart', () => {
    const quickstart = async (env: Record<string, string>): Promise<string> => {
      const child = spawn(process.execPath, [script], { env: { ...process.env, KEELSTATE_STORE: store, ...env } })
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
      await once(child, 'close')
      expect(child.exitCode, said).toBe(0)
      return said
    }

    it('runs by the address alone, and removes what it made there', async () => {
      const before = place.snapshot()
      expect(await quickstart({})).toContain(`keelstate init --store '${scheme}://${BUCKET}/${PREFIX}/quickstart-`)
      expect(place.snapshot()).toEqual(before)
    })

    it.each(PROVE || scheme === 's3' ? ['DynamoDB'] : [])(
      'locks in %s by that address alone, and removes its items there',
      async () => {
        await using service = await startTable()
        const before = place.snapshot()
        const lock = `dynamodb://${service.name}?region=${REGION}&endpoint=${service.endpoint}`
        expect(await quickstart({ KEELSTATE_LOCK: lock })).toContain(`--lock 'dynamodb://${service.name}`)
        expect(place.snapshot()).toEqual(before)
        const client = new DynamoDBClient({ region: REGION, ...service })
        const { Count } = await client.send(new ScanCommand({ TableName: service.name, ConsistentRead: true }))
        expect(Count).toBe(0)
        client.destroy()
      },
    )
  })
})

/** A lock table; it lets everybody in who has AWS credentials of any kind, which a user of another cloud has to have then too. */
async function startTable(): Promise<DynamoDb & AsyncDisposable & { readonly name: string }> {
  const service = await startDynalite()
  const { accessKeyId, secretAccessKey } = service.credentials
  if (!process.env.AWS_ACCESS_KEY_ID) {
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey)
  }
  return { ...service, name: await createLockTable(service), [Symbol.asyncDispose]: () => service.close() }
}

/** Resolves once the fault has met a request. */
async function hit(rule: FaultRule): Promise<void> {
  while (rule.fired === 0) await new Promise((resolve) => setTimeout(resolve, 20))
}
