import { describe, expect, it } from 'vitest'
import { changeBetween, Parts } from '../../src/core/parts.ts'
import { decodeSnapshot, encodeSnapshot, newSnapshot, type Snapshot } from '../../src/deployments/index.ts'
import { snapshotForm } from '../../src/deployments/snapshot-form.ts'
import { vectors } from '../vectors.ts'

const written = vectors<{ id: string; op: string; out?: string }>('snapshots-000.json').flatMap(({ op, out }) =>
  op !== 'find' && out !== undefined ? [Buffer.from(out)] : [],
)

const blank = (): Snapshot => newSnapshot({ name: 'shop', version: '1', contentRevision: 'c' }, 'prod', new Date(0))
const leaf = (address: string, id = address) => ({ address, type: 'leaf', kind: 'k', outputs: { id } }) as const

describe('the parts of a snapshot', () => {
  it('join to the same bytes again, of every snapshot that the original wrote', () => {
    expect(written.length).toBeGreaterThan(100)
    for (const body of written) {
      const parts = snapshotForm.split(body)
      expect(Buffer.from(snapshotForm.join(parts)).toString()).toBe(body.toString())
      const { entries = [] } = decodeSnapshot(body)
      expect(parts.flatMap(([key]) => (key.startsWith('entry:') ? [key.slice(6)] : []))).toEqual(
        entries.map(({ address }) => address),
      )
      expect(snapshotForm.normalise(body)).toBe(body)
      expect(snapshotForm.spelt(parts)).toBe(true)
    }
  })

  it('make any of them from any other', () => {
    for (const [i, body] of written.entries()) {
      const other = written[(i * 7 + 3) % written.length]!
      const change = changeBetween(Parts.of(snapshotForm.split(body)), snapshotForm.split(other), true)
      if (change === undefined) continue // some list the same entries in another order
      const made = snapshotForm.join(Parts.of(snapshotForm.split(body)).apply(change))
      expect(Buffer.from(made).toString()).toBe(other.toString())
    }
  })

  it('know no entries from an empty list of them, and outputs from none', () => {
    const cases = [blank(), { ...blank(), entries: [] }, { ...blank(), outputs: { a: '\n  "entries": [\n    {' } }]
    for (const snapshot of cases) {
      const body = encodeSnapshot(snapshot)
      expect(Buffer.from(snapshotForm.join(snapshotForm.split(body)))).toEqual(Buffer.from(body))
    }
  })

  it('are not misled by what looks like a snapshot inside a text or a name', () => {
    const tricky = '\n    }\n  ],\n  "outputs": {\n    {\n      "address": "x",\n}\n'
    const snapshot = {
      ...blank(),
      stack: tricky,
      entries: [
        { ...leaf(tricky, tricky), inputs: { [tricky]: { deep: [[{ entries: [tricky, {}, []] }]] } } },
        leaf('entries'),
        leaf('"'),
      ],
      outputs: { [tricky]: { entries: [{}] } },
    }
    const body = encodeSnapshot(snapshot)
    const parts = snapshotForm.split(body)
    expect(parts.map(([key]) => key)).toEqual(['head', 'outputs', `entry:${tricky}`, 'entry:entries', 'entry:"'])
    expect(Buffer.from(snapshotForm.join(parts))).toEqual(Buffer.from(body))
  })

  const right = Buffer.from(
    encodeSnapshot({ ...blank(), entries: [leaf('a'), leaf('b')], outputs: { x: 1 } }),
  ).toString()
  it.each([
    ['nothing', ''],
    ['another JSON', '{"entries": []}\n'],
    ['no line feed at the end', right.slice(0, -1)],
    ['no blanks', JSON.stringify(JSON.parse(right))],
    ['other blanks', JSON.stringify(JSON.parse(right), null, 4)],
    ['something between entries', right.replace('    },\n', '    }, \n')],
    ['an entry without an address in front', right.replace('"address"', '"Address"')],
    ['an address that is no text', right.replace('"address": "a"', '"address": 1')],
    ['an address that ends too early', right.replace('"address": "a"', '"address": "a')],
    ['something behind the entries', right.replace('  ],\n', '  ],\n  "more": 1,\n')],
    ['an end in an entry', `${right.slice(0, right.indexOf('\n    },'))}\n}\n`],
  ])('are not found in %s', (_, text) => {
    expect(() => snapshotForm.split(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
  })

  it.each([
    [
      'another order of members',
      (text: string) => text.replace(/("type": "leaf"),\n {6}("kind": "k")/, '$2,\n      $1'),
    ],
    [
      'a member that the contract does not know',
      (text: string) => text.replace('"kind": "k"', '"kind": "k",\n      "z": 1'),
    ],
    ['another escape', (text: string) => text.replace('"id": "a"', '"id": "\\u0061"')],
    ['another number', (text: string) => text.replace('"kind": "k"', '"kind": "k",\n      "schema-version": 1e0')],
    [
      'a member that is left out when it is empty',
      (text: string) => text.replace('"kind": "k"', '"kind": "k",\n      "library": ""'),
    ],
    ['what is no entry', (text: string) => text.replace('"kind": "k"', '"kind": ""')],
  ])('are spelt otherwise with %s', (_, change) => {
    const text = change(right)
    expect(text).not.toBe(right)
    const parts = snapshotForm.split(Buffer.from(text))
    expect(snapshotForm.spelt(parts)).toBe(false)
    expect(snapshotForm.spelt(snapshotForm.split(Buffer.from(right)))).toBe(true)
  })
})
