import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseSnapshot } from '../../src/deployments/codec.ts'
import { decodeSnapshot, encodeSnapshot, envKey, find, noop, sortRevisions } from '../../src/deployments/index.ts'
import { bytesOf, vectors } from '../vectors.ts'

interface SnapshotVector {
  id: string
  op: 'decode-encode' | 'encode' | 'find'
  src?: string
  out?: string
  err?: string
  address?: string
  index?: number
}

/** Errors that the contract words itself, as opposed to those of Go's JSON and time readers. */
const OWN_TEXT = /^snapshot: (?!json:|invalid character|unexpected end|parsing time|Time\.)/

function outcome(run: () => Uint8Array): { out: string } | { err: string } {
  try {
    return { out: Buffer.from(run()).toString() }
  } catch (error) {
    expect(error).toMatchObject({ name: 'KeelstateError', code: 'InvalidInput' })
    return { err: (error as Error).message }
  }
}

describe('snapshots of unobin v0.4.0', () => {
  const cases = vectors<SnapshotVector>('snapshots-000.json')

  it.each(cases.filter(({ op }) => op !== 'find'))('$op $id has the same bytes, or is refused', (vector) => {
    const src = bytesOf(vector, 'src')
    const got = outcome(() => encodeSnapshot(vector.op === 'encode' ? parseSnapshot(src) : decodeSnapshot(src)))
    if (vector.err === undefined) return void expect(got).toEqual({ out: vector.out })
    expect(got).toEqual({ err: OWN_TEXT.test(vector.err) ? vector.err : expect.stringMatching(/^snapshot: ./) })
  })

  it.each(cases.filter(({ op }) => op === 'find'))('$address of $id is found at $index', ({ src, address, index }) => {
    const snapshot = decodeSnapshot(Buffer.from(src!))
    expect(snapshot.entries?.indexOf(find(snapshot, address!) as never)).toBe(index)
  })

  it('every snapshot that is read is the same when it is read again', () => {
    const readable = cases.filter(({ op, out }) => op === 'decode-encode' && out !== undefined)
    expect(readable.length).toBeGreaterThan(100)
    for (const { out } of readable)
      expect(Buffer.from(encodeSnapshot(decodeSnapshot(Buffer.from(out!)))).toString()).toBe(out)
  })
})

describe('revision names of unobin', () => {
  const cases = vectors<{ id: string; in: string[] | null; out: string[] }>('revisions-000.json')

  it.each(cases)('$id is sorted in the same order and left as it was', ({ in: input, out }) => {
    const before = input === null ? null : [...input]
    expect(sortRevisions(input)).toEqual(out)
    expect(input).toEqual(before)
  })
})

interface KeyVector {
  id: string
  op: string
  env: string | null
  env_var: string
  data_b64: string
  err?: string
  stage?: 'key' | 'decrypt'
}

describe('the env-key encrypter of unobin v0.4.0', () => {
  const cases = vectors<KeyVector>('encrypters-000.json')
  const open = ({ env, env_var }: KeyVector, options: object = {}) =>
    envKey(env_var, { variables: env === null ? {} : { [env_var]: env }, ...options })

  it.each(cases.filter(({ stage }) => stage === 'key'))('key $id is refused with the same text', (vector) => {
    expect(() => open(vector)).toThrow(expect.objectContaining({ code: 'InvalidOptions', message: vector.err }))
  })

  it.each(cases.filter(({ stage }) => stage === 'decrypt'))(
    'sealed bytes $id are refused with the same text',
    async (vector) => {
      const refused = open(vector).decrypt(Buffer.from(vector.data_b64, 'base64'))
      await expect(refused).rejects.toMatchObject({ code: 'DecryptFailed', message: vector.err })
    },
  )

  it.each(cases.filter(({ err }) => err === undefined))(
    'sealed bytes $id open, and are made again under the same nonce',
    async (vector) => {
      const sealed = Buffer.from(vector.data_b64, 'base64')
      const encrypter = open(vector, { environment: { randomBytes: () => sealed.subarray(0, 12) } })
      const plain = await encrypter.decrypt(sealed)
      expect(Buffer.from(plain)).toEqual(bytesOf(vector, 'plain'))
      expect(Buffer.from(await encrypter.encrypt(plain))).toEqual(sealed)
    },
  )
})

interface Layout {
  id: string
  root: string
  factory: string
  stack: string
  encrypter: 'noop' | 'env-key'
  key_b64?: string
  written: string[]
  plain: { rev: string; plain: string }[]
}

describe('the trees that unobin v0.4.0 left behind', () => {
  const files = JSON.parse(readFileSync(new URL('../vectors/layout-000.json', import.meta.url), 'utf8')) as Record<
    string,
    string
  >
  const file = (path: string) => Buffer.from(files[path]!, 'base64')
  const trees = (JSON.parse(file('index.json').toString()) as { cases: Layout[] }).cases

  it.each(trees)('every snapshot of $id opens, is read, and is written again byte for byte', async (tree) => {
    expect(tree.plain.length).toBe(3)
    for (const { rev, plain } of tree.plain) {
      const sealed = file(`${tree.root}/${tree.factory}/${tree.stack}/snapshots/${rev}.json.enc`)
      const nonce = { randomBytes: () => sealed.subarray(0, 12) }
      const encrypter =
        tree.encrypter === 'noop' ? noop : envKey('KEY', { variables: { KEY: tree.key_b64 }, environment: nonce })
      const opened = await encrypter.decrypt(sealed)
      expect(Buffer.from(opened).toString()).toBe(plain)
      const snapshot = decodeSnapshot(opened)
      expect(snapshot).toMatchObject({ stack: tree.stack, factory: { name: tree.factory } })
      expect(Buffer.from(await encrypter.encrypt(encodeSnapshot(snapshot)))).toEqual(sealed)
    }
  })

  it.each(trees)('the revisions of $id sort into the order of time', ({ written }) => {
    const sorted = sortRevisions(written)
    expect([...sorted].sort()).toEqual([...written].sort())
    const nanos = (id: string) =>
      BigInt(Date.parse(`${id.slice(0, 19)}Z`)) * 1_000_000n + BigInt((/\.(\d+)/.exec(id)?.[1] ?? '0').padEnd(9, '0'))
    for (let i = 1; i < sorted.length; i++) expect(nanos(sorted[i]!) >= nanos(sorted[i - 1]!)).toBe(true)
  })
})
