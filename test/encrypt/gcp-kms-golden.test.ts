import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DocumentScope } from '../../src/core/header.ts'
import { type GcpKmsHttpRequest, GcpKmsProvider } from '../../src/encrypt/index.ts'
import { decodeKeyTable, encodeKeyTable } from '../../src/encrypt/wraps.ts'
import * as byHand from './by-hand.ts'

// Made once from docs/format.md and Cloud KMS's reference by a program of another language; never made anew.
const golden = JSON.parse(readFileSync(new URL('golden/gcp-kms.json', import.meta.url), 'utf8')) as {
  key: string
  storeId: string
  kind: string
  name: string
  dataKey: string
  authenticated: string
  encrypt: { path: string; request: object; answer: { ciphertext: string } }
  decrypt: { path: string; request: object; answer: object }
  keyTable: string
}
const bytes = (hex: string) => Buffer.from(hex, 'hex')
const scope: DocumentScope = { storeId: bytes(golden.storeId), kind: golden.kind, path: golden.name }

/** A provider whose service answers as the golden one did, and what it was asked. */
function replaying() {
  const asked: GcpKmsHttpRequest[] = []
  const client = {
    async request(request: GcpKmsHttpRequest) {
      asked.push(request)
      const { answer } = request.url.endsWith(':encrypt') ? golden.encrypt : golden.decrypt
      return { status: 200, data: JSON.stringify(answer) }
    },
  }
  return { provider: new GcpKmsProvider({ key: golden.key, client }), asked }
}

describe('the golden key table of Cloud KMS', () => {
  const [entry] = decodeKeyTable(bytes(golden.keyTable), 'a head')

  it('is as the page says', () => {
    const wrapped = Buffer.from(golden.encrypt.answer.ciphertext, 'base64')
    const table = byHand.writeKeyTable([{ provider: 'gcp-kms', keyId: golden.key, wrapped }])
    expect(table).toEqual(bytes(golden.keyTable))
    const lines = [
      `keelstate:store=${golden.storeId}`,
      `keelstate:kind=${golden.kind}`,
      `keelstate:name=${golden.name}`,
    ]
    expect(lines.join('\n')).toBe(bytes(golden.authenticated).toString())
  })

  it('is what this release writes, by exactly the golden request', async () => {
    const { provider, asked } = replaying()
    const wrapped = await provider.wrap(bytes(golden.dataKey), scope)
    expect(Buffer.from(encodeKeyTable([wrapped]))).toEqual(bytes(golden.keyTable))
    expect(asked).toMatchObject([{ url: `https://cloudkms.googleapis.com${golden.encrypt.path}`, method: 'POST' }])
    expect(asked[0]!.data).toEqual(golden.encrypt.request)
  })

  it('opens, by exactly the golden request', async () => {
    const { provider, asked } = replaying()
    expect(Buffer.from(await provider.unwrap(entry!, scope))).toEqual(bytes(golden.dataKey))
    expect(asked).toMatchObject([{ url: `https://cloudkms.googleapis.com${golden.decrypt.path}`, method: 'POST' }])
    expect(asked[0]!.data).toEqual(golden.decrypt.request)
  })
})
