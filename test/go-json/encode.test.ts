import { describe, expect, it } from 'vitest'
import { decode } from '../../src/go-json/decode.ts'
import { encode } from '../../src/go-json/encode.ts'
import * as shapes from '../../src/go-json/shape.ts'

const context = { what: 'document' }
const item = shapes.struct({ name: shapes.string, 'attrs?': shapes.map(shapes.any) })
const shape = shapes.struct({ items: shapes.list(shapes.pointer(item)) })
const text = (value: unknown, of: shapes.Shape = shapes.any, layout: 'indented' | 'compact' = 'compact') =>
  Buffer.from(encode(value, of, context, { layout })).toString()

describe('writing', () => {
  it('looks the same whether JSON.stringify can write a part or not', () => {
    // -0 is what JSON.stringify cannot write; 4242 stands for it where the expected text is made.
    const items = Array.from({ length: 200 }, (_, i) =>
      i % 50 === 7 ? null : { name: `item ${i}`, attrs: { a: i, 'b<c>': [i % 3 === 0 ? -0 : i, { é: '&' }], z: {} } },
    )
    const expected = JSON.stringify(
      { items: items.map((each) => each && JSON.parse(JSON.stringify(each).replace(/\[0,/, '[4242,'))) },
      null,
      2,
    )
    const written = text({ items }, shape, 'indented')
    const stands = items.map((each, i) => each !== null && i % 3 === 0).filter(Boolean).length
    expect(written.match(/-0,/g)).toHaveLength(stands)
    expect(written).toBe(
      expected
        .replaceAll('4242', '-0')
        .replaceAll('&', '\\u0026')
        .replaceAll('<', '\\u003c')
        .replaceAll('>', '\\u003e'),
    )
    expect(decode(Buffer.from(written), shape, context)).toEqual({ items })
  })

  it.each([
    ['grow', (i: number) => i],
    ['shrink', (i: number) => 400 - i],
    ['stay as they are', () => 100],
  ])('is the same for a long list whose elements %s', (_, size) => {
    const items = Array.from({ length: 400 }, (_, i) => ({ name: `${i} <é😀\u2028>`.repeat(1 + size(i)) }))
    const expected = JSON.stringify({ items }, null, 2)
      .replaceAll('<', '\\u003c')
      .replaceAll('>', '\\u003e')
      .replaceAll('\u2028', '\\u2028')
    const written = encode({ items }, shape, context)
    expect(Buffer.from(written).equals(Buffer.from(expected))).toBe(true)
    expect(Buffer.from(encode(items, shapes.list(item), context, { end: '\n' })).toString()).toBe(
      `${JSON.stringify(items, null, 2).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e').replaceAll('\u2028', '\\u2028')}\n`,
    )
  })

  it('sorts names by their bytes, which is neither the order of JavaScript objects nor that of its strings', () => {
    const names = ['10', '2', '010', 'B', 'a', 'é', '\uffff', '😀', '', ' ', '-1']
    const sorted = ['', ' ', '-1', '010', '10', '2', 'B', 'a', 'é', '\uffff', '😀']
    const written = text(Object.fromEntries(names.map((name) => [name, { 443: 1, 80: 2 }])))
    expect(written).toBe(`{${sorted.map((name) => `${JSON.stringify(name)}:{"443":1,"80":2}`).join(',')}}`)
  })

  it('writes bigints of untyped values exactly', () => {
    expect(text({ n: 2n ** 70n, m: [-1n] })).toBe('{"m":[-1],"n":1180591620717411303424}')
  })

  it('writes a member that is undefined as an absent one, and an absent one of a struct as Go’s zero value', () => {
    expect(text({ a: undefined, b: 1 })).toBe('{"b":1}')
    const zero = shapes.struct({
      s: shapes.string,
      n: shapes.int,
      t: shapes.time,
      b: shapes.bytes,
      l: shapes.list(shapes.any),
      x: shapes.any,
      r: shapes.raw,
    })
    expect(text({}, zero)).toBe('{"s":"","n":0,"t":"0001-01-01T00:00:00Z","b":null,"l":null,"x":null,"r":null}')
  })

  it('replaces halves of surrogate pairs and keeps text that only looks like their escape', () => {
    expect(text(['\ud800', 'a\udfffb', '\\ud800', '😀'])).toBe('["\\ufffd","a\\ufffdb","\\\\ud800","😀"]')
  })

  it('refuses holes in lists of strings too', () => {
    const list: string[] = []
    list[1] = 'b'
    expect(() => text(list, shapes.list(shapes.string))).toThrow('document: [0] must be')
  })

  it('writes objects of another realm and none of a class', () => {
    class Secret {
      value = 1
    }
    expect(text(Object.create(null, { a: { value: 1, enumerable: true } }))).toBe('{"a":1}')
    expect(() => text({ s: new Secret() })).toThrow(/s must be .*, found an instance of Secret/)
    expect(() => text({ m: new Map() })).toThrow(/m must be .*, found an instance of Map/)
  })

  it('puts nothing of a value into an error', () => {
    const secret = Object.assign(() => 'hunter2', {})
    expect(() => text({ password: secret })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    )
    expect(() => decode(Buffer.from('{"items":"hunter2"}'), shape, context)).toThrow(
      'document: items must be a list, found a string',
    )
  })
})
