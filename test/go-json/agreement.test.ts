import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { decode } from '../../src/go-json/decode.ts'
import { decodeExactly } from '../../src/go-json/decode-exact.ts'
import { encode } from '../../src/go-json/encode.ts'
import * as shapes from '../../src/go-json/shape.ts'
import { count, reportCounts } from '../counts.ts'

/** Documents that stress where `JSON.parse` and Go differ: repeated and folded names, odd numbers, escapes, bytes that are not UTF-8. */
class Documents {
  private state: number

  constructor(seed: number) {
    this.state = seed
  }

  /** mulberry32 */
  private random(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  private below(n: number): number {
    return Math.floor(this.random() * n)
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  private repeat(make: () => string): string[] {
    return Array.from({ length: this.below(4) }, make)
  }

  private string(): string {
    const parts = ['', 'a', 'name', '10', '2', 'é', '\uffff', '😀', '<&>', '\u2028', '__proto__', 'constructor', 'ſ']
    const escapes = [
      '\\u0041',
      '\\ud83d\\ude00',
      '\\ud83d',
      '\\ude00',
      '\\n',
      '\\"',
      '\\\\',
      '\\u0000',
      '\\uD8ab\\uDC00',
      '\\ud800\\u0041',
    ]
    return `"${this.repeat(() => this.pick(this.random() < 0.7 ? parts : escapes)).join('')}"`
  }

  private number(): string {
    const odd = [
      '-0',
      '1.0',
      '1e5',
      '1e400',
      '1e-400',
      '9007199254740993',
      '9223372036854775808',
      '-9223372036854775808',
      '1e99',
      `1${'0'.repeat(310)}`,
    ]
    return this.pick([...odd, '0', '1', '-12', '0.5', '123456789012345', '1234567890123456'])
  }

  private any(depth: number): string {
    const kind = this.random()
    if (depth === 0 || kind < 0.5) return this.pick([this.string(), this.number(), 'null', 'true', 'false'])
    if (kind < 0.75) return `[${this.repeat(() => this.any(depth - 1)).join(', ')}]`
    return `{${this.repeat(() => `${this.string()}:${this.any(depth - 1)}`).join(',\n ')}}`
  }

  private name(name: string): string {
    return this.random() < 0.95
      ? name
      : this.pick([name.toUpperCase(), name.replace('s', 'ſ'), name.replace('a', '\\u0061'), `${name}x`])
  }

  private value(shape: shapes.Shape): string {
    const chance = this.random()
    if (chance < 0.04) return 'null'
    if (chance < 0.06) return this.any(2)
    switch (shape.kind) {
      case 'string':
        return this.string()
      case 'int':
        return this.random() < 0.8 ? this.pick(['0', '1', '-7', '-0', '9007199254740993']) : this.number()
      case 'float':
        return this.number()
      case 'bool':
        return this.pick(['true', 'false'])
      case 'time':
        return this.pick([
          '"2026-04-30T12:00:00Z"',
          '"2026-04-30T1:00:00,5Z"',
          '"2026-04-30T12:00:00+24:00"',
          '"2026-02-30T12:00:00Z"',
          '"\\u0032026-04-30T12:00:00Z"',
        ])
      case 'bytes':
        return this.pick(['""', '"AAEC"', '"AAE"', '"A\\nAEC"', '"_-8="', '[1,null,255]', '[256]'])
      case 'pointer':
        return this.value(shape.to)
      case 'list':
        return `[${this.repeat(() => this.value(shape.of)).join(',')}]`
      case 'map':
        return `{${this.repeat(() => `${this.string()}:${this.value(shape.of)}`).join(',')}}`
      case 'struct': {
        const fields = shape.fields.filter(() => this.random() < 0.6)
        if (fields.length > 0 && this.random() < 0.2) fields.push(this.pick(fields))
        return `{${fields.map((field) => `"${this.name(field.name)}" : ${this.value(field.shape)}`).join(',')}}`
      }
      default:
        return this.any(3)
    }
  }

  next(shape: shapes.Shape): Buffer {
    const bytes = Buffer.from(this.value(shape))
    if (this.random() < 0.9) return bytes
    const at = this.below(bytes.length)
    return Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from(this.pick([[0xff], [0xe2, 0x82], [0x22], [0x5c], [0x2c], []])),
      bytes.subarray(at + 1),
    ])
  }
}

const inner = shapes.struct({ name: shapes.string, 'tags?': shapes.list(shapes.string) })
const shape = shapes.struct({
  s: shapes.string,
  'n?': shapes.int,
  f: shapes.float,
  ok: shapes.bool,
  at: shapes.time,
  b: shapes.bytes,
  p: shapes.pointer(shapes.string),
  inner,
  list: shapes.list(shapes.pointer(inner)),
  structs: shapes.list(inner),
  times: shapes.list(shapes.time),
  ints: shapes.list(shapes.int),
  names: shapes.map(shapes.string),
  byName: shapes.map(shapes.pointer(inner)),
  any: shapes.any,
  'attrs?': shapes.map(shapes.any),
})

const DOCUMENTS = count(50_000, 2_000)
reportCounts(import.meta.filename, { documents: DOCUMENTS }, '1')

describe('the quick reader', () => {
  it('reads or refuses every document as the exact reader does, and what it read can be written and read again', () => {
    const documents = new Documents(1)
    const attempt = (read: typeof decode, bytes: Buffer) => {
      try {
        return { value: read(bytes, shape, { what: 'document' }) }
      } catch (error) {
        if (!KeelstateError.is(error, 'InvalidInput')) throw error
        return { message: error.message }
      }
    }
    let read = 0
    for (let i = 0; i < DOCUMENTS; i++) {
      const bytes = documents.next(shape)
      const quick = attempt(decode, bytes)
      // not toStrictEqual: it takes a member named `constructor` for one
      if (!isDeepStrictEqual(quick, attempt(decodeExactly, bytes)))
        expect.fail(`read in two ways: ${bytes.toString('base64')}`)
      if ('value' in quick && !bytes.includes('+24:00')) {
        read += 1
        const written = encode(quick.value, shape, { what: 'document' })
        const again = encode(decode(written, shape, { what: 'document' }), shape, { what: 'document' })
        if (Buffer.compare(again, written) !== 0) expect.fail(`written in two ways: ${bytes.toString('base64')}`)
      }
    }
    expect(read).toBeGreaterThan(DOCUMENTS / 20)
    expect(DOCUMENTS - read).toBeGreaterThan(DOCUMENTS / 20)
  })
})
