import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { json, openStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { openMessage, openPlaintext, readHeader, readKeyTable, unwrap } from '../encrypt/by-hand.ts'
import { kept } from './saves.ts'

// Golden files are never made anew: they are what released versions wrote. What is read here by hand is read as docs/format.md says.
const FOLDER = new URL('golden-saves/', import.meta.url)
const SECRET = Buffer.alloc(32, 7)
const STORE_ID = '00112233445566778899aabbccddeeff'
const folder = mkdtempSync(join(tmpdir(), 'keelstate-golden-saves-'))
afterAll(() => rmSync(folder, { recursive: true }))

const SAVES = ['sealed', 'clear'] as const
const KEYS = {
  sealed: new StaticKeyProvider({ address: 'env:KEY', key: async () => SECRET }),
  clear: 'plaintext',
} as const

function readByHand(bytes: Buffer) {
  expect(bytes.toString('latin1', 0, 8)).toBe('KEELSAVE')
  expect([...bytes.subarray(8, 12)]).toEqual([1, 0, 0, 0])
  let at = 16 + bytes.readUInt32BE(12)
  const header = JSON.parse(bytes.toString('utf8', 16, at))
  const clear = bytes.subarray(0, at)
  const message = bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at))
  at += 4 + message.length
  const [recipient] = readKeyTable(
    Buffer.from(header.keyTable, 'base64').length > 0 ? Buffer.from(header.keyTable, 'base64') : Buffer.from([1, 0]),
  )
  const body =
    recipient === undefined
      ? openPlaintext(message)
      : openMessage(message, unwrap(recipient, SECRET, readHeader(message)))
  const length = body.readUInt32BE(0)
  const about = JSON.parse(body.toString('utf8', 4, 4 + length))
  expect(about.clear).toBe(createHash('sha256').update(clear).digest('base64'))
  expect(readHeader(message)).toMatchObject({ role: 5, kind: header.kind, name: header.name })
  expect(readHeader(message).storeId.toString('hex')).toBe(header.store)
  return { header, about, content: body.subarray(4 + length), lines: bytes.toString('latin1', at) }
}

describe('a save that an earlier release wrote', () => {
  it.each(SAVES)('says by hand what the page says: %s', (name) => {
    const { header, about, content, lines } = readByHand(readFileSync(new URL(`${name}.save`, FOLDER)))
    expect(header).toMatchObject({ store: STORE_ID, kind: 'state', name: 'shop/prod', bytes: 7, seenSeq: 1 })
    expect(header.id).toMatch(/^20261121T\d{9}Z-[0-9a-f]{8}$/)
    expect(header.write).toMatch(/^[0-9a-f]{32}@2$/)
    expect(about).toMatchObject({
      action: 'commit',
      form: 'body',
      type: 'json',
      by: 'ada',
      message: 'second',
      label: 'wanted',
    })
    expect(content.toString()).toBe('{"n":2}')
    const write = '0123456789abcdef0123456789abcdef@7'
    const check = createHash('sha256').update(`${header.id} ${write}`).digest('hex').slice(0, 8)
    expect(lines).toBe(`\n${write} ${check}\n`)
  })

  it.each(SAVES)('is listed and opened: %s', async (name) => {
    const { header } = readByHand(readFileSync(new URL(`${name}.save`, FOLDER)))
    const at = join(folder, name, STORE_ID, 'state/shop/prod/~')
    mkdirSync(at, { recursive: true })
    copyFileSync(new URL(`${name}.save`, FOLDER), join(at, `${header.id}.save`))
    const spool = join(folder, name)
    const store = await openStore({ store: memoryStore(), keys: KEYS[name], storeId: STORE_ID, memory: false, spool })
    const saves = await kept(store)
    expect(saves).toEqual([
      {
        id: header.id,
        name: 'shop/prod',
        kind: 'state',
        at: header.at,
        bytes: 7,
        parent: header.parent,
        writes: [header.write, '0123456789abcdef0123456789abcdef@7'],
        file: join(at, `${header.id}.save`),
      },
    ])
    const [save] = saves
    const opened = await store.document('shop/prod', json()).openSave(save!)
    expect(opened).toMatchObject({
      body: Buffer.from('{"n":2}'),
      type: 'json',
      message: 'second',
      label: 'wanted',
      by: 'ada',
    })
  })
})
