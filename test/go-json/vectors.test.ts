import { describe, expect, it } from 'vitest'
import { decode } from '../../src/go-json/decode.ts'
import { decodeExactly } from '../../src/go-json/decode-exact.ts'
import { encode } from '../../src/go-json/encode.ts'
import * as shapes from '../../src/go-json/shape.ts'
import { formatTime, parseTime } from '../../src/go-json/time.ts'
import { bytesOf, vectors } from '../vectors.ts'

interface VectorField {
  name: string
  kind: string
  omitempty?: boolean
  fields?: VectorField[]
}

interface Vector {
  id: string
  op: string
  src?: string
  fields?: VectorField[]
  out?: string
  out_b64?: string
  err?: string
  encode_err?: string
  utc?: string
  bits?: string
  bytes_b64?: string | null
  unix_sec?: string
  nanos?: number
  offset_sec?: number
  depth?: number
  ok?: boolean
}

const context = { what: 'vector' }
const cases = vectors<Vector>('gojson.json')
const of = (op: string) => {
  const found = cases.filter((vector) => vector.op === op)
  if (found.length === 0) throw new Error(`no vector has the op ${op}`)
  return found
}

function shapeOf(field: VectorField): shapes.Shape {
  const struct = () =>
    shapes.struct(
      Object.fromEntries(field.fields!.map((inner) => [inner.name + (inner.omitempty ? '?' : ''), shapeOf(inner)])),
    )
  switch (field.kind) {
    case 'string':
      return shapes.string
    case 'int':
      return shapes.int
    case 'bool':
      return shapes.bool
    case 'float':
      return shapes.float
    case 'time':
      return shapes.time
    case 'bytes':
      return shapes.bytes
    case 'any':
      return shapes.any
    case 'raw':
      return shapes.raw
    case 'ptr-string':
      return shapes.pointer(shapes.string)
    case 'map-any':
      return shapes.map(shapes.any)
    case 'map-string':
      return shapes.map(shapes.string)
    case 'map-raw':
      return shapes.map(shapes.raw)
    case 'list-string':
      return shapes.list(shapes.string)
    case 'list-any':
      return shapes.list(shapes.any)
    case 'struct':
      return struct()
    case 'list-struct':
      return shapes.list(struct())
    case 'list-ptr-struct':
      return shapes.list(shapes.pointer(struct()))
    case 'map-ptr-struct':
      return shapes.map(shapes.pointer(struct()))
    default:
      throw new Error(`unknown kind ${field.kind}`)
  }
}

/** Reads with the quick reader and with the exact one, which must agree; null when both refuse. */
function read(bytes: Uint8Array, shape: shapes.Shape): { value: unknown } | null {
  const attempt = (reader: typeof decode) => {
    try {
      return { value: reader(bytes, shape, context) }
    } catch (error) {
      expect(error).toMatchObject({ name: 'KeelstateError', code: 'InvalidInput' })
      return null
    }
  }
  const quick = attempt(decode)
  expect(quick).toStrictEqual(attempt(decodeExactly))
  return quick
}

function roundTrip(vector: Vector, shape: shapes.Shape, layout: 'indented' | 'compact'): void {
  const got = read(bytesOf(vector, 'src'), shape)
  expect(got === null).toBe(vector.err !== undefined)
  if (got === null) return
  expect(Buffer.from(encode(got.value, shape, context, { layout })).toString('latin1')).toBe(
    bytesOf(vector, 'out').toString('latin1'),
  )
}

describe('the vectors made by Go itself', () => {
  it.each(of('any-indent'))('untyped document $id is read and written as Go does', (vector) => {
    roundTrip(vector, shapes.any, 'indented')
  })

  it.each(of('any-compact'))('untyped document $id is written without white space as Go does', (vector) => {
    roundTrip(vector, shapes.any, 'compact')
  })

  it.each(of('any-indent').filter(({ out }) => out !== undefined))(
    'untyped document $id is the same from the writer for odd values',
    ({ out, ...vector }) => {
      const value = decode(bytesOf(vector, 'src'), shapes.any, context) ?? null
      const odd = -0 // JSON.stringify cannot write it, so the whole list is written by hand
      const written = Buffer.from(encode([value, odd], shapes.any, context)).toString()
      expect(written).toBe(`[\n  ${out!.replaceAll('\n', '\n  ')},\n  -0\n]`)
    },
  )

  it.each(of('rawmap-indent'))('sections of $id keep their text', (vector) => {
    roundTrip(vector, shapes.map(shapes.raw), 'indented')
  })

  it.each([...of('raw-indent'), ...of('raw-compact')])('raw text $id is laid out anew ($op)', (vector) => {
    const layout = vector.op === 'raw-indent' ? 'indented' : 'compact'
    const write = () => Buffer.from(encode(bytesOf(vector, 'src'), shapes.raw, context, { layout }))
    if (vector.err === undefined) expect(write().toString('latin1')).toBe(bytesOf(vector, 'out').toString('latin1'))
    else expect(write).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
  })

  it.each(of('string'))('string $id is escaped as Go does', (vector) => {
    // A byte that is not UTF-8 has no character; the half of a surrogate pair is what a JavaScript string can hold in its place.
    const text = bytesOf(vector, 'bytes')
      .toString('latin1')
      .replace(/[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]/g, (part) => {
        const decoded = Buffer.from(part, 'latin1').toString()
        if (Buffer.from(decoded).toString('latin1') === part) return decoded
        return [...part]
          .map((byte) => (byte < '\x80' ? byte : String.fromCharCode(0xdc00 + byte.charCodeAt(0))))
          .join('')
      })
    expect(Buffer.from(encode(text, shapes.string, context)).toString()).toBe(vector.out)
  })

  it.each(of('bytes'))('bytes $id are written as base64', (vector) => {
    const value = vector.bytes_b64 === null ? undefined : bytesOf(vector, 'bytes')
    expect(Buffer.from(encode(value, shapes.bytes, context)).toString()).toBe(vector.out)
  })

  it.each(of('float64'))('double $id is written as Go does', ({ bits, out }) => {
    const value = Buffer.from(bits!, 'hex').readDoubleBE()
    const write = () =>
      Buffer.from(encode({ x: value }, shapes.struct({ x: shapes.float }), context, { layout: 'compact' })).toString()
    if (out === undefined) expect(write).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
    else expect(write()).toBe(`{"x":${out}}`)
  })

  it.each(of('int64'))('integer $id is read exactly, or refused', ({ src, out }) => {
    const shape = shapes.struct({ n: shapes.int })
    const got = read(Buffer.from(`{"n":${src}}`), shape)
    if (out === undefined) return expect(got).toBeNull()
    expect(Buffer.from(encode(got!.value, shape, context, { layout: 'compact' })).toString()).toBe(`{"n":${out}}`)
    expect(String((got!.value as { n: number | bigint }).n)).toBe(out)
  })

  it.each(of('time'))('time $id is read and written as Go does', ({ src, out, utc, err, encode_err }) => {
    const got = read(Buffer.from(`"${src}"`), shapes.time)
    if (err !== undefined) return expect(got).toBeNull()
    const write = () => Buffer.from(encode(got!.value, shapes.time, context)).toString()
    if (encode_err !== undefined) return expect(write).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
    expect(write()).toBe(out)
    const instant = parseTime(src!)
    expect('problem' in instant ? instant : formatTime({ ...instant, offsetSeconds: 0 })).toBe(utc)
  })

  it.each(of('time-of'))('instant $id is written as Go does', ({ unix_sec, nanos, offset_sec, out, err }) => {
    const written = formatTime({ seconds: Number(unix_sec), nanos: nanos!, offsetSeconds: offset_sec! })
    if (err !== undefined) expect(written).toHaveProperty('problem')
    else expect(`"${written}"`).toBe(out)
  })

  it.each(of('struct-indent'))('struct $id is read and written as Go does', (vector) => {
    roundTrip(vector, shapeOf({ name: '', kind: 'struct', fields: vector.fields! }), 'indented')
  })

  it.each(of('any-depth'))('$depth nested lists are read only up to the limit', ({ depth, ok }) => {
    const text = `${'['.repeat(depth!)}${']'.repeat(depth!)}`
    const roundTrip = () =>
      Buffer.from(
        encode(decode(Buffer.from(text), shapes.any, context), shapes.any, context, { layout: 'compact' }),
      ).toString()
    if (ok === true) expect(roundTrip()).toBe(text)
    else expect(roundTrip).toThrow(/nested deeper than 10000 levels/)
  })

  it('every kind of case is played', () => {
    const played = [
      'any-indent',
      'any-compact',
      'rawmap-indent',
      'raw-indent',
      'raw-compact',
      'string',
      'bytes',
      'float64',
      'int64',
      'time',
      'time-of',
    ]
    expect(new Set(cases.map(({ op }) => op))).toEqual(new Set([...played, 'struct-indent', 'any-depth']))
  })
})
