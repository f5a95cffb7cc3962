import { describe, expect, it } from 'vitest'
import { decodeDelta, encodeDelta } from '../../src/core/delta.ts'
import { changeBetween, type Part, Parts } from '../../src/core/parts.ts'
import { Trie } from '../../src/core/trie.ts'
import { Random } from './random.ts'

const bytes = (text: string) => Buffer.from(text)
const read = (parts: Parts) => [...parts].map(([key, value]): [string, string] => [key, Buffer.from(value).toString()])
const sizeOf = (entries: readonly [string, string][]) =>
  entries.reduce((sum, [key, value]) => sum + key.length + Buffer.byteLength(value), 0)

/** What `apply` says, on a plain list. */
function applied(
  list: readonly [string, string][],
  gone: readonly string[],
  put: readonly { key: string; value: string; behind?: string | null }[],
): [string, string][] {
  const next = list.filter(([key]) => !gone.includes(key))
  for (const { key, value, behind } of put) {
    const at = next.findIndex(([other]) => other === key)
    if (at >= 0 && behind === undefined) {
      next[at] = [key, value]
      continue
    }
    if (at >= 0) next.splice(at, 1)
    const place =
      behind === undefined ? next.length : behind === null ? 0 : next.findIndex(([other]) => other === behind) + 1
    next.splice(place, 0, [key, value])
  }
  return next
}

describe('parts', () => {
  it('are what a list changed in the same way is, and earlier ones stay as they were', () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = new Random(seed)
      const first = Array.from({ length: random.below(40) }, (_, n): [string, string] => [`k${n}`, `v${n}`])
      const versions: { parts: Parts; list: [string, string][] }[] = [
        { parts: Parts.of(first.map(([key, value]): Part => [key, bytes(value)])), list: first },
      ]
      for (let step = 0; step < 40; step++) {
        const from = random.below(4) === 0 ? random.pick(versions) : versions.at(-1)!
        const keys = from.list.map(([key]) => key)
        const gone = keys.filter(() => random.below(12) === 0)
        const left = keys.filter((key) => !gone.includes(key))
        const put = Array.from({ length: random.below(4) }, () => {
          const key = random.below(2) === 0 && left.length > 0 ? random.pick(left) : `n${random.below(30)}`
          const value = `w${random.below(1_000)}`
          const anchors = left.filter((other) => other !== key)
          const behind = random.below(3) > 0 ? {} : { behind: anchors.length === 0 ? null : random.pick(anchors) }
          return { key, value, ...behind }
        })
        const change = { delete: gone, put: put.map(({ value, ...one }) => ({ ...one, bytes: bytes(value) })) }
        const list = applied(from.list, gone, put)
        const parts = from.parts.apply(decodeDelta(encodeDelta(change), 'test'))
        expect(read(parts)).toEqual(list)
        expect([parts.size, parts.bytes]).toEqual([list.length, sizeOf(list)])
        for (const [key, value] of list) expect(Buffer.from(parts.get(key)!).toString()).toBe(value)
        versions.push({ parts, list })
      }
      for (const { parts, list } of versions) expect(read(parts)).toEqual(list)
    }
  })

  it('differ by a change that leads from one to the other, unless those that both have changed places', () => {
    let reordered = 0
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed)
      const list = Array.from({ length: random.below(12) }, (_, n): Part => [`k${n}`, bytes(`v${random.below(3)}`)])
      const next: Part[] = list.flatMap((part) => {
        const kept: Part = random.below(3) === 0 ? [part[0], bytes('changed')] : part
        const fresh: Part = [`new${random.below(1_000_000)}`, bytes('x')]
        return [...(random.below(4) === 0 ? [fresh] : []), ...(random.below(5) === 0 ? [] : [kept])]
      })
      if (random.below(4) === 0) next.push([`end${seed}`, bytes('y')])
      if (random.below(6) === 0) next.reverse()
      const now = Parts.of(list)
      const change = changeBetween(now, next, true)
      if (change === undefined) reordered++
      else expect(read(now.apply(change))).toEqual(read(Parts.of(next)))
      const unordered = now.apply(changeBetween(now, next, false)!)
      expect(read(unordered).sort()).toEqual(read(Parts.of(next)).sort())
    }
    expect(reordered).toBeGreaterThan(5)
    expect(reordered).toBeLessThan(60)
  })

  it('do not change by a change of nothing, and refuse a key that is there twice', () => {
    const parts = Parts.of([['a', bytes('1')]])
    expect(changeBetween(parts, [...parts], true)).toEqual({ delete: [], put: [] })
    expect(changeBetween(parts, [...parts, ...parts], true)).toBeUndefined()
    expect(() => Parts.of([...parts, ...parts])).toThrow(expect.objectContaining({ code: 'Corrupt' }))
  })

  it('cannot stand behind one that is not there', () => {
    const change = { delete: [], put: [{ key: 'b', bytes: bytes('2'), behind: 'gone' }] }
    expect(() => Parts.of([['a', bytes('1')]]).apply(change)).toThrow(expect.objectContaining({ code: 'Corrupt' }))
  })
})

describe('a delta that is not one', () => {
  const right = encodeDelta({ delete: ['a'], put: [{ key: 'b', bytes: bytes('value') }] })
  const made = (json: string, rest = '') => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(json))
    return Buffer.concat([length, Buffer.from(json), Buffer.from(rest)])
  }

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['cut off', right.subarray(0, -1)],
    ['longer', Buffer.concat([right, Buffer.of(0)])],
    ['a length beyond its end', Buffer.from('ffffffff7b7d', 'hex')],
    ['no JSON', made('{')],
    ['no object', made('[]')],
    ['a key that is none', made('{"put":[[1,1]]}', 'x')],
    ['a length that is none', made('{"put":[["a",-1]]}')],
    ['a part that is no list', made('{"put":["a"]}')],
    ['a deleted key that is none', made('{"delete":[1]}')],
    ['a place that is none', made('{"put":[["a",1,2]]}', 'x')],
  ])('is Corrupt: %s', (_, delta) => {
    expect(() => decodeDelta(delta, 'test')).toThrow(expect.objectContaining({ code: 'Corrupt', key: 'test' }))
  })
})

describe('a trie', () => {
  it('holds what a map holds, keys of one hash too, and earlier ones stay as they were', () => {
    const collide = ['costarring', 'liquid'] // FNV-1a gives both one hash
    const keys = [...collide, ...Array.from({ length: 3_000 }, (_, n) => `key ${n * 7919}`), ...collide]
    let trie = new Trie<number>()
    const map = new Map<string, number>()
    let early: { trie: Trie<number>; map: Map<string, number> } | undefined
    for (const [n, key] of keys.entries()) {
      trie = trie.with(key, n)
      map.set(key, n)
      if (n === 1_000) early = { trie, map: new Map(map) }
    }
    for (const [key, value] of map) expect(trie.get(key)).toBe(value)
    expect(trie.get('none')).toBeUndefined()
    for (const key of keys) expect(early!.trie.get(key)).toBe(early!.map.get(key))
  })
})
