import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/core/inspection.ts'
import { s3Store } from '../../src/s3/index.ts'
import { inspectS3 } from '../../src/s3/inspect.ts'
import { parseS3StoreOptions } from '../../src/s3/options.ts'
import { type S3Server, startS3Server } from '../../src/testing/index.ts'

let server: S3Server

beforeEach(async () => {
  server = await startS3Server()
  server.createBucket('state')
})
afterEach(() => server.close())

async function clockIn(findings: AsyncIterable<Finding>): Promise<Finding | undefined> {
  for await (const finding of findings) if (finding.check === 'clock') return finding
  return undefined
}

describe('the clock of a service', () => {
  it('is compared also by who may not ask for the bucket', async () => {
    server.clockOffsetMs = 5 * 60_000
    server.faults.add({ operation: 'HeadBucket' }, { do: 'status', status: 403, code: 'AccessDenied' })
    const found = await clockIn(s3Store({ ...server.clientConfig, bucket: 'state' }).inspect!())
    expect(found).toMatchObject({ verdict: 'warning', says: expect.stringContaining('behind') })
  })

  it('that no answer tells is said to be unknown', async () => {
    const denied = Object.assign(new Error('Forbidden'), { name: '403', $metadata: { httpStatusCode: 403 } })
    const found = await clockIn(inspectS3(parseS3StoreOptions({ bucket: 'state' }), () => Promise.reject(denied)))
    expect(found).toMatchObject({ verdict: 'unknown' })
  })
})
