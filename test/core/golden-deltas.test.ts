import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodeHeadBody, encodeHeadBody } from '../../src/core/head-body.ts'
import { bytes, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { readHeader } from '../encrypt/by-hand.ts'
import * as byHand from './by-hand.ts'
import { HEAD, NAME, writeGoldenDeltas } from './golden-deltas-scenario.ts'

// Golden files are never made anew: they are what released versions wrote. docs/format.md is what `by-hand.ts` was written from.
const FOLDER = new URL('golden-deltas/', import.meta.url)
const file = (name: string): Buffer => readFileSync(new URL(name, FOLDER))
const golden = JSON.parse(file('golden.json').toString()) as Record<string, byHand.ByHand>
const HEADS = Object.keys(golden)
const OBJECTS = ['whole.bin', 'delta.bin', 'full.bin']

interface Delta {
  readonly number: number
  readonly bytes: number
  readonly digest: string
  readonly reference?: { object: string }
  readonly base?: [number, number, number, number]
  readonly full?: { object: string; bytes: number; digest: string }
}

const objectId = (name: string) => readHeader(file(name)).objectId!.toString('hex')
const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('base64')

/** The contents of all revisions in a head, put together by hand. */
function contentsOf(head: string): Map<number, string> {
  const { json, inline } = byHand.readBody(byHand.clearBody(file(head)))
  const records = [json.current, ...((json.tail ?? []) as unknown[])] as Delta[]
  const objects = new Map(OBJECTS.map((name) => [objectId(name), byHand.clearBody(file(name))]))
  const own = new Map<number, Buffer>()
  for (const { number, reference } of records) {
    own.set(number, reference === undefined ? Buffer.from(inline.shift()!) : objects.get(reference.object)!)
  }
  const contents = new Map<number, string>()
  for (const { number, bytes: size, digest, base, full } of records.sort((a, b) => a.number - b.number)) {
    const content = own.get(number)!
    expect([content.length, sha256(content)]).toEqual([size, digest])
    if (base === undefined) contents.set(number, content.toString())
    else {
      const below = byHand.keyedMembers(contents.get(base[0])!)
      contents.set(number, byHand.keyedContent(byHand.applyDelta(below, content)))
    }
    if (full === undefined) continue
    const whole = contents.get(number)!
    expect(objects.get(full.object)!.toString()).toBe(whole)
    expect([Buffer.byteLength(whole), sha256(whole)]).toEqual([full.bytes, full.digest])
  }
  return contents
}

/** A store that holds one golden head and all objects. */
async function opened(head: string) {
  const bucket = new MemoryBucket()
  bucket.overwrite('store', file('store'))
  bucket.overwrite(HEAD, file(head))
  for (const name of OBJECTS)
    bucket.overwrite(HEAD.replace('heads', 'objects').replace(/~$/, `~/${objectId(name)}`), file(name))
  const store = await openStore({ store: memoryStore({ bucket }), keys: 'plaintext', memory: false })
  return { doc: store.keyed<unknown>(NAME), raw: store.document(NAME, bytes()) }
}

/** The same with everything that was drawn by chance replaced by its form. */
function shape(value: unknown): unknown {
  return JSON.stringify(value)
    .replaceAll(/\b[0-9a-f]{32}\b/g, 'id')
    .replaceAll(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, 'ulid')
    .replaceAll(/"sha256":"[^"]{44}"/g, '"sha256"')
}

describe('the golden store with deltas', () => {
  it.each(HEADS)('%s is as the page says, and written again to the byte', (name) => {
    const body = byHand.clearBody(file(name))
    expect(byHand.readBody(body)).toEqual(golden[name])
    expect(Buffer.from(encodeHeadBody(decodeHeadBody(body, name)))).toEqual(body)
  })

  it('is what this release writes: the same members in the same places', async () => {
    const written = await writeGoldenDeltas()
    expect([...written.keys()].sort()).toEqual([...HEADS, ...OBJECTS, 'store'].sort())
    for (const name of HEADS)
      expect(shape(byHand.readBody(byHand.clearBody(written.get(name)!))), name).toEqual(shape(golden[name]))
    for (const name of OBJECTS) expect(byHand.clearBody(written.get(name)!), name).toEqual(byHand.clearBody(file(name)))
  })

  it.each(HEADS)('%s has contents that a reader of the page and this release agree on', async (name) => {
    const contents = contentsOf(name)
    expect(contents.size).toBeGreaterThan(1)
    const { doc, raw } = await opened(name)
    for await (const { number } of raw.history()) {
      const { value } = await raw.revision(`@${number}`)
      expect(Buffer.from(value).toString(), `@${number}`).toBe(contents.get(number))
    }
    expect(await doc.verify()).toMatchObject({ ok: true, problems: [] })
    const made = await doc.commit({ put: { next: 1 } }, { parent: 'any' })
    expect(made.value.get('next')).toBe(1)
    expect((await doc.read())!.value.size).toBe(made.value.size)
  })
})
