import { brotliCompressSync, constants } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  addRevision,
  bury,
  type Condition,
  checkCondition,
  checkLabel,
  condemn,
  moveCurrent,
  type NewRevision,
  needsSpill,
  removeLabel,
  type SealedBody,
  setLabel,
  TailSize,
} from '../../src/core/draft.ts'
import { EMPTY_BODY, encodeHeadBody, type HeadBody, tailJson } from '../../src/core/head-body.ts'
import type { RevisionRecord } from '../../src/core/record.ts'
import { KeelstateError } from '../../src/index.ts'
import { Random } from './random.ts'

const revision = (id: string, content: Uint8Array = new Uint8Array(0)): NewRevision => ({
  id,
  at: '2026-01-01T00:00:00.000Z',
  by: 'me',
  message: '',
  type: 'bytes',
  bytes: content.length,
  digest: 'd',
  content: { inline: content },
  epoch: 0n,
})

/** Adds a revision and makes it current, as a commit with this seq. */
function commit(body: HeadBody, seq: number, id: string, content?: Uint8Array): HeadBody {
  const added = addRevision(body, seq, revision(id, content))
  return moveCurrent(added.body, seq, added.record, false, `at ${seq}`)
}

function commits(count: number): HeadBody {
  let body = EMPTY_BODY
  for (let n = 1; n <= count; n++) body = commit(body, n, `r${n}`)
  return body
}

const numbers = (records: readonly RevisionRecord[]) => records.map(({ number }) => number)
const recordOf = (body: HeadBody, number: number) => body.tail.find((record) => record.number === number)!

function code(work: () => unknown): string {
  try {
    work()
    return 'ok'
  } catch (error) {
    return KeelstateError.is(error) ? error.code : String(error)
  }
}

describe('a condition', () => {
  const none = EMPTY_BODY
  const at5: HeadBody = { ...commits(2), currentSeq: 5 }
  const cases: [string, HeadBody, Condition, 'ok' | 'Conflict'][] = [
    ['any holds on nothing', none, { kind: 'any' }, 'ok'],
    ['any holds on whatever is current', at5, { kind: 'any' }, 'ok'],
    ['none holds where nothing is current', none, { kind: 'none' }, 'ok'],
    ['none fails where something is', at5, { kind: 'none' }, 'Conflict'],
    ['an id holds while it is current', at5, { kind: 'id', id: 'r2' }, 'ok'],
    ['an id fails when another is current', at5, { kind: 'id', id: 'r1' }, 'Conflict'],
    ['an id fails where nothing is current', none, { kind: 'id', id: 'r1' }, 'Conflict'],
    ['a revision holds while it was not left', at5, { kind: 'unmoved', id: 'r2', seenSeq: 5 }, 'ok'],
    ['a revision holds after later writes that left it', at5, { kind: 'unmoved', id: 'r2', seenSeq: 9 }, 'ok'],
    ['a revision fails when it was left and is back', at5, { kind: 'unmoved', id: 'r2', seenSeq: 4 }, 'Conflict'],
    ['a revision fails when another is current', at5, { kind: 'unmoved', id: 'r1', seenSeq: 9 }, 'Conflict'],
  ]
  it.each(cases)('%s', (_, body, condition, expected) => {
    expect(code(() => checkCondition(body, condition, 'doc'))).toBe(expected)
  })

  it('that fails says what is current instead, safe to print', () => {
    const { current } = at5
    const body: HeadBody = { ...at5, current: { ...current!, by: 'm\u001b[2Je' } }
    try {
      checkCondition(body, { kind: 'id', id: 'r1' }, 'doc')
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ details: { current: 'r2', by: 'm\u001b[2Je', at: '2026-01-01T00:00:00.000Z' } })
      expect((error as Error).message).toContain('m\\u001b[2Je')
      expect((error as Error).message).not.toContain('\u001b')
    }
  })
})

describe('revisions in a head', () => {
  it('are numbered on, and know what was current when they were added', () => {
    const body = commits(3)
    expect(body).toMatchObject({ lastNumber: 3, currentSeq: 3, currentStored: false })
    expect(body.current).toMatchObject({ id: 'r3', number: 3, seq: 3, parent: 'r2' })
    expect(body.current).not.toHaveProperty('until')
    expect(body.tail).toMatchObject([
      { id: 'r1', until: 'at 2' },
      { id: 'r2', parent: 'r1', until: 'at 3' },
    ])
    expect(body.tail[0]).not.toHaveProperty('parent')
  })

  it('stay in order of their numbers however often current is moved among them', () => {
    const random = new Random(11)
    let body = commits(6)
    for (let seq = 7; seq < 500; seq++) {
      const all = [...body.tail, body.current!]
      const target = random.pick(all)
      body =
        random.below(4) === 0
          ? commit(body, seq, `r${body.lastNumber + 1}`)
          : moveCurrent(body, seq, target, false, `at ${seq}`)
      expect(numbers(body.tail)).toEqual([...numbers(body.tail)].sort((a, b) => a - b))
      expect(new Set(numbers([...body.tail, body.current!])).size).toBe(body.lastNumber)
      expect(body.current).not.toHaveProperty('until')
      for (const record of body.tail) expect(record.until).toBeDefined()
    }
  })

  it('count a move to what is current already as no move', () => {
    const body = commits(2)
    expect(moveCurrent(body, 9, body.current!, false, 'later')).toBe(body)
  })

  it('that stand in a segment need no place in the tail when they are left', () => {
    const stored = recordOf(commits(4), 2)
    const spilled: HeadBody = { ...commits(4), tail: [] }
    const moved = moveCurrent(spilled, 5, stored, true, 'at 5')
    expect(moved).toMatchObject({ currentStored: true, currentSeq: 5, current: { number: 2 } })
    expect(numbers(moved.tail)).toEqual([4])
    const left = moveCurrent(moved, 6, recordOf(moved, 4), false, 'at 6')
    expect(left).toMatchObject({ currentStored: false, currentSeq: 6, current: { number: 4 } })
    expect(left.tail).toEqual([])
    expect([...left.untils]).toEqual([[2, 'at 6']])
  })

  it('that are added without being made current do not touch it', () => {
    const { body, record } = addRevision(commits(2), 3, revision('added'))
    expect(record).toMatchObject({ number: 3, parent: 'r2' })
    expect(body.current?.id).toBe('r2')
    expect(body.currentSeq).toBe(2)
    expect(numbers(body.tail)).toEqual([1, 3])
    const next = commit(body, 4, 'r4')
    expect(numbers(next.tail)).toEqual([1, 2, 3])
  })

  it('never change a body that was given', () => {
    const body = Object.freeze({ ...commits(3), tail: Object.freeze([...commits(3).tail]) as HeadBody['tail'] })
    const before = structuredClone(body)
    commit(body, 4, 'r4')
    moveCurrent(body, 4, recordOf(body, 1), false, 'at 4')
    setLabel(body, 'v1', { number: 1, id: 'r1' })
    bury(body, 4, revision('x'))
    expect(body).toEqual(before)
  })
})

describe('labels', () => {
  const to = { number: 1, id: 'r1' }

  it('are at most 64, and can be moved and removed at any time', () => {
    let body = commits(2)
    for (let n = 0; n < 64; n++) body = setLabel(body, `l${n}`, to)
    expect(code(() => setLabel(body, 'one-more', to))).toBe('InvalidInput')
    expect(setLabel(body, 'l0', { number: 2, id: 'r2' }).labels.get('l0')).toEqual({ number: 2, id: 'r2' })
    const fewer = removeLabel(body, 'l0')
    expect(fewer.labels.size).toBe(63)
    expect(code(() => setLabel(fewer, 'one-more', to))).toBe('ok')
  })

  it.each(['v1', 'v1.2', 'before-migration', 'größe', '1', '__proto__', 'constructor', 'CURRENT', 'x'.repeat(128)])(
    '%s is one',
    (label) => {
      expect(code(() => checkLabel(label))).toBe('ok')
      expect(setLabel(EMPTY_BODY, label, to).labels.get(label)).toEqual(to)
    },
  )

  it.each([
    ['', 'must have 1 to 128 bytes'],
    ['x'.repeat(129), 'must have 1 to 128 bytes'],
    ['é'.repeat(65), 'must have 1 to 128 bytes'],
    ['a b', 'blanks'],
    ['a\tb', 'blanks'],
    ['a\u0007', 'control characters'],
    ['a\u202eb', 'control characters'],
    ['\ud800', 'control characters'],
    ['@1', '"@"'],
    ['current~1', '"~"'],
    ['current', 'reads like a revision'],
    ['01ARZ3NDEKTSV4RRFFQ69G5FAV', 'reads like a revision'],
    ['2026-01-01T00:00:00Z', 'reads like a revision'],
  ])('%j is none: %s', (label, why) => {
    expect(() => checkLabel(label)).toThrow(why)
  })
})

describe('a tombstone', () => {
  const dead = bury(
    { ...commits(5), barrier: 3, indexedSeq: 2, lastIds: new Map([['ulid', 'r5']]), keys: 'earlier' },
    6,
    { at: 'then', by: 'me', message: 'why' },
  )

  it('drops everything but what keeps counting, and condemns whatever there is', () => {
    expect(dead).toMatchObject({
      lastNumber: 5,
      currentSeq: 6,
      barrier: 3,
      indexedSeq: 2,
      keys: 'earlier',
      tail: [],
      segments: [],
      tombstone: { at: 'then', by: 'me', message: 'why' },
      condemned: [{ at: 'then' }],
    })
    expect(dead.lastIds.get('ulid')).toBe('r5')
    expect(dead).not.toHaveProperty('current')
    expect(dead.labels.size).toBe(0)
  })

  it('ends with the next revision, which goes on counting and has no parent', () => {
    const living = commit(dead, 7, 'r6')
    expect(living).not.toHaveProperty('tombstone')
    expect(living.current).toMatchObject({ number: 6 })
    expect(living.current).not.toHaveProperty('parent')
  })
})

describe('what is condemned', () => {
  it('is kept in eight batches; the oldest go first', () => {
    let batches = condemn([], { at: '0', objects: [] })
    for (let n = 1; n < 12; n++) batches = condemn(batches, { at: String(n), objects: [] })
    expect(batches.map(({ at }) => at)).toEqual(['4', '5', '6', '7', '8', '9', '10', '11'])
  })
})

describe('a tail', () => {
  it('is spilled when it has more than 16 records', () => {
    expect(needsSpill(commits(17), 18)).toBe(false)
    expect(needsSpill(commits(18), 19)).toBe(true)
  })

  it('is spilled before more than 56 write ids are in no segment, so that a slot still has them when the spill is repeated', () => {
    expect(needsSpill({ ...commits(1), indexedSeq: 10 }, 66)).toBe(false)
    expect(needsSpill({ ...commits(1), indexedSeq: 10 }, 67)).toBe(true)
  })

  it('is spilled when it takes more than 6 KiB compressed', () => {
    const random = new Random(1)
    const noise = () => random.bytes(3_500)
    const text = Buffer.from('{"replicas":1,"region":"eu"}'.repeat(200))
    const holding = (content: () => Uint8Array) => commit(commit(EMPTY_BODY, 1, 'r1', content()), 2, 'r2', content())
    expect(needsSpill(holding(noise), 3)).toBe(false)
    expect(needsSpill(commit(holding(noise), 3, 'r3'), 4)).toBe(true)
    expect(
      needsSpill(
        commit(
          holding(() => text),
          3,
          'r3',
        ),
        4,
      ),
    ).toBe(false)
  })

  it('is judged alike whether its room was measured or known from what was sealed before', () => {
    const compressed = (bytes: Uint8Array) =>
      brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }).length
    let differ = 0
    let spills = 0
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Random(seed)
      const size = new TailSize()
      let body = EMPTY_BODY
      let base: SealedBody | undefined
      for (let seq = 1; seq <= 60; seq++) {
        const noise = random.bytes(random.below(seed % 3 === 0 ? 3_000 : 400))
        body = commit(body, seq, `r${seq}`, Buffer.concat([Buffer.from('{"alike":"in all of them"}'.repeat(9)), noise]))
        const spill = needsSpill(body, seq, base, size)
        if (spill !== needsSpill(body, seq)) {
          differ++
          expect(spill).toBe(false) // only what fits by a few bytes may be judged to fit
          expect(compressed(tailJson(body.tail))).toBeLessThan(6 * 1024 + 150)
        }
        if (spill) {
          spills++
          body = { ...body, tail: [], indexedSeq: seq }
        }
        base = { body, bytes: 690 + compressed(encodeHeadBody(body)) } // as a head of this body with the shortest names and one recipient
      }
    }
    expect(spills).toBeGreaterThan(100)
    expect(differ).toBeLessThan(spills / 4)
  })

  it('is spilled when it would have to remember for more than 64 stored revisions when they were left', () => {
    const untils = (count: number) => new Map(Array.from({ length: count }, (_, n) => [n + 1, 'then']))
    expect(needsSpill({ ...EMPTY_BODY, untils: untils(64) }, 1)).toBe(false)
    expect(needsSpill({ ...EMPTY_BODY, untils: untils(65) }, 1)).toBe(true)
  })
})
