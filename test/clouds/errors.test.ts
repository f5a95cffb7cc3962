import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ServiceErrorRow, ServiceStatusRow } from '../../src/core/driver-error.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { GCS_ERRORS, GCS_ERRORS_BY_STATUS } from '../../src/gcs/errors.ts'
import { gcsStore } from '../../src/gcs/index.ts'
import { S3_ERRORS, S3_ERRORS_BY_STATUS } from '../../src/s3/errors.ts'
import { s3Store } from '../../src/s3/index.ts'
import { ABSENT, callsWith, FOREVER, type GcsBench, gcsBench, HEAD, refusal, type S3Bench, s3Bench } from './bench.ts'

interface Driver {
  readonly name: string
  readonly bench: S3Bench | GcsBench
  readonly rows: readonly ServiceErrorRow[]
  readonly rowsByStatus: readonly ServiceStatusRow[]
  /** With which status the service says what becomes a code of ours; else 400. */
  readonly statuses: { readonly [code in ErrorCode]?: number }
  /** Whether the service itself gives that name, and not only Node, the client or the driver, which cases of their own make happen. */
  ofTheService(name: string): boolean
  /** Names of rows that only the driver gives, and statuses of rows that are followed or looked into. */
  readonly ofTheDriver: readonly (string | number)[]
  /** A code that the service does not know. */
  readonly strange: string
  /** A store whose client fails by that name. */
  failing(name: string): ObjectStore
  /** Of a write. */
  readonly method: string
  /** What a body that ends early is called. */
  readonly endedEarly: unknown
  /** Takes the permission to list away, and says what it is called. */
  denyListing(): string
  readonly missingBucket: object
  /** What says that an endpoint speaks no TLS. */
  readonly noTls: object
}

const body = Buffer.from('body')
const calls = callsWith(body)

const s3 = s3Bench({ prefix: 'p' })
const gcs = gcsBench({ prefix: 'p' })

const DRIVERS: readonly Driver[] = [
  {
    name: 'S3',
    bench: s3,
    rows: S3_ERRORS,
    rowsByStatus: S3_ERRORS_BY_STATUS,
    statuses: {
      PreconditionFailed: 412,
      AccessDenied: 403,
      Unauthenticated: 403,
      Throttled: 503,
      NotFound: 404,
      BucketMissing: 404,
      Unsupported: 501,
      Unavailable: 503,
      Timeout: 400,
    },
    ofTheService: (name) =>
      /^([A-Z][a-zA-Z0-9]*[a-z][a-zA-Z0-9]*|KMS\..*)$/.test(name) && !/ProviderError$|^TimeoutError$/.test(name),
    ofTheDriver: [],
    strange: 'Strange',
    failing(name) {
      const client = { send: () => Promise.reject(Object.assign(new Error('failed'), { name })) }
      return s3Store({ bucket: 'state', client })
    },
    method: 'PUT',
    endedEarly: expect.any(String), // Node's name, or the SDK's
    denyListing() {
      s3.server.deny(s3.server.credential.accessKeyId, ['ListBucket'])
      return 's3:ListBucket'
    },
    missingBucket: { subject: 'bucket', status: 404, serviceCode: 'NoSuchBucket' },
    noTls: { hint: expect.stringContaining('NODE_EXTRA_CA_CERTS') },
  },
  {
    name: 'Google Cloud Storage',
    bench: gcs,
    rows: GCS_ERRORS,
    rowsByStatus: GCS_ERRORS_BY_STATUS,
    statuses: {
      PreconditionFailed: 412,
      AccessDenied: 403,
      Unauthenticated: 401,
      Throttled: 429,
      TooLarge: 413,
      NoSpace: 403,
      Unsupported: 501,
      Unavailable: 503,
      Timeout: 504,
    },
    ofTheService: (name) => /^[A-Za-z.]*[a-z][A-Za-z.]*$/.test(name),
    ofTheDriver: ['BUCKET_MISSING', 'DIGEST', 'CREDENTIALS', 'TLS', 300, 404],
    strange: 'strange',
    failing(name) {
      const client = {
        bucket() {
          throw Object.assign(new Error('failed'), { name: 'FetchError', code: name })
        },
      }
      return gcsStore({ bucket: 'state', client })
    },
    method: 'POST',
    endedEarly: 'TRUNCATED',
    denyListing() {
      gcs.server.deny(gcs.server.credential.token, ['storage.objects.list'])
      return 'storage.objects.list'
    },
    missingBucket: { subject: 'bucket', status: 404 },
    noTls: { message: expect.stringContaining('TLS'), details: { notExecuted: true } },
  },
]

describe.each(DRIVERS)('$name', (driver) => {
  const { bench, rows, rowsByStatus, ofTheService, ofTheDriver } = driver
  beforeEach(() => bench.start())
  afterEach(() => bench.stop())

  describe('each row of the table', () => {
    const statusFor = (row: ServiceErrorRow) => driver.statuses[row.code] ?? 400
    const cases = rows.flatMap((row) => row.names.map((name) => [name, row] as const))

    it.each(cases.filter(([name]) => ofTheService(name)))(
      '%s is what the table says, whatever was called',
      async (name, row) => {
        const store = bench.open()
        for (const [operation, call] of Object.entries(calls)) {
          if (row.on !== undefined && row.on !== operation) continue
          bench.server.faults.add({}, { do: 'status', status: statusFor(row), code: name })
          const error = await refusal(call(store), row.code)
          expect(error.details).toMatchObject({ status: statusFor(row), serviceCode: name })
          expect(error.details.requestId).toMatch(/^[0-9A-F]{16}$/)
          expect(error.details.notExecuted).toBe(row.notExecuted)
          expect(error.details.retryAfterMs).toBe(row.retryAfterMs)
          expect(error.message).toContain(row.says)
          expect(error.hint).toBe(row.hint)
          expect(error.operation).toBe(operation)
        }
        expect(bench.server.requests.every(({ executions }) => executions === 0)).toBe(true)
      },
    )

    it.each(
      rowsByStatus
        .flatMap((row) => [...new Set(row.statuses)].map((status) => [status, row] as const))
        .filter(
          ([status, row]) =>
            rowsByStatus.find(({ statuses: [from, to] }) => status >= from && status <= to) === row &&
            !ofTheDriver.includes(status),
        ),
    )('an answer %i whose code nobody knows is judged by its status', async (status, row) => {
      bench.server.faults.add(FOREVER, { do: 'status', status, code: driver.strange })
      for (const call of Object.values(calls)) {
        expect((await refusal(call(bench.open()), row.code)).details.status).toBe(status)
      }
    })

    it.each(cases.filter(([name]) => !ofTheService(name) && !ofTheDriver.includes(name)))(
      '%s, which comes from the client or the network, is what the table says',
      async (name, row) => {
        for (const call of Object.values(calls)) {
          const error = await refusal(call(driver.failing(name)), row.code)
          expect(error.details).toMatchObject({ serviceCode: name })
          expect(error.details.notExecuted).toBe(row.notExecuted)
        }
      },
    )

    it('has a page of its vendor, and names no code twice for one call', () => {
      const keys = rows.flatMap(({ names, on }) => names.map((name) => `${name} ${on}`))
      expect(keys.filter((key, n) => keys.indexOf(key) !== n)).toEqual([])
      for (const { page } of [...rows, ...rowsByStatus]) expect(page).toMatch(/^https:\/\//)
    })
  })

  describe('a write', () => {
    it.each([409, 500, 503])('that was executed and answered with %i is of unknown outcome', async (status) => {
      const store = bench.open()
      bench.server.faults.add({}, { do: 'status', status, code: driver.strange, when: 'after' })
      const error = await refusal(store.put(HEAD, body, ABSENT), 'Unavailable')
      expect([error.retry, error.details.notExecuted]).toEqual(['safe', undefined])
      expect(await store.get(HEAD)).toMatchObject({ bytes: new Uint8Array(body) })
    })

    it('whose connection breaks is of unknown outcome, whether it was executed or not', async () => {
      const store = bench.open()
      for (const action of ['drop-request', 'drop-answer'] as const) {
        bench.server.faults.add({}, { do: action })
        const error = await refusal(store.put(`heads/state/${action}/~`, body, ABSENT), 'Unavailable')
        expect([error.details.serviceCode, error.details.notExecuted]).toEqual(['ECONNRESET', undefined])
        expect(error.message).not.toContain(bench.server.endpoint)
      }
      expect(await store.get('heads/state/drop-request/~')).toBeUndefined()
      expect(await store.get('heads/state/drop-answer/~')).toBeDefined()
      const writes = bench.server.requests.filter(({ method }) => method === driver.method)
      expect(writes).toHaveLength(2) // one attempt each
    })
  })

  describe('a read', () => {
    it('whose body ends early, anywhere, is Unavailable and safe to repeat, without waiting for the timeout', async () => {
      const store = bench.open()
      const large = new Uint8Array(200_000).fill(7)
      await store.put(HEAD, large, ABSENT)
      const started = Date.now()
      for (const bytes of [0, 1, 65_536, 199_999]) {
        bench.server.faults.add({ method: 'GET' }, { do: 'truncate', bytes })
        const error = await refusal(store.get(HEAD), 'Unavailable')
        expect([error.retry, error.details.serviceCode]).toEqual(['safe', driver.endedEarly])
      }
      expect(Date.now() - started).toBeLessThan(20_000)
      const whole = await store.get(HEAD)
      expect(Buffer.compare((whole as { bytes: Uint8Array }).bytes, large)).toBe(0)
    })

    it('of more bytes than maxBytes is TooLarge', async () => {
      await bench.open().put(HEAD, new Uint8Array(1001), ABSENT)
      const error = await refusal(bench.open({ maxBytes: 1000 }).get(HEAD), 'TooLarge')
      expect(error.details).toMatchObject({ bytes: 1001, maxBytes: 1000 })
    })

    it('without permission to list is AccessDenied for an absent object, never "absent", and the hint says why', async () => {
      const permission = driver.denyListing()
      expect((await refusal(bench.open().get(HEAD), 'AccessDenied')).hint).toContain(permission)
    })
  })

  describe('a missing bucket', () => {
    it('is BucketMissing in every call', async () => {
      for (const call of Object.values(calls)) {
        const error = await refusal(call(bench.open({ bucket: 'missing' })), 'BucketMissing')
        expect(error.details).toMatchObject(driver.missingBucket)
      }
    })
  })

  describe('credentials', () => {
    it('that cannot be had are Unauthenticated, nothing was sent, and the reason is told', async () => {
      const credentials = () => Promise.reject<never>(new Error('the vault is sealed'))
      const failing = bench.open({ credentials })
      for (const call of Object.values(calls)) {
        const error = await refusal(call(failing), 'Unauthenticated')
        expect(error.details.notExecuted).toBe(true)
        expect(error.message).toContain('the vault is sealed')
      }
      expect(bench.server.requests).toEqual([])
    })
  })

  describe('an endpoint', () => {
    it('that speaks no TLS where https: was written is InvalidOptions', async () => {
      const endpoint = bench.server.endpoint.replace('http:', 'https:')
      expect(await refusal(bench.open({ endpoint }).get(HEAD), 'InvalidOptions')).toMatchObject(driver.noTls)
    })
  })
})
