import {
  appendFileSync,
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { layoutBytes } from '../../src/core/save-file.ts'
import { type KeelstateError, openStore, type SpooledSave, type Store } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { faultyStore } from '../../src/testing/index.ts'
import { KEY, kept, Machine, settings } from './saves.ts'
import { ALWAYS, contents, failure, READS, WRITES } from './workbench.ts'

const ROUNDS = Number(process.env.KEELSTATE_PROVE ? 200 : 6)

let machine: Machine
let later: Store
beforeEach(async () => {
  machine = new Machine()
  later = await machine.later()
  await settings(later).commit('1', { parent: 'none' })
})
afterEach(() => machine.remove())

/** A commit of '2' on '1' that failed, and is kept. */
async function failed(how: () => void): Promise<SpooledSave> {
  const doc = settings(await machine.process())
  const now = (await doc.read())!
  how()
  const { details } = await machine.failing(doc.commit('2', { parent: now, message: 'second', label: 'wanted' }))
  machine.faulty.faults.clear()
  const saves = await kept(later)
  const save = saves.find(({ file }) => file === details.spooled)
  return save!
}
const refused = () => machine.breakWrites({ do: 'status', status: 403, code: 'AccessDenied' })
const lost = () => machine.loseAnswer()
const away = () => {
  machine.breakWrites({ do: 'drop-request' })
  machine.faulty.faults.add({ ...READS, ...ALWAYS }, { do: 'drop-request' })
}
const values = async () => await contents(settings(await machine.later()))

describe('a save', () => {
  it.each([
    ['of a commit that was refused', refused],
    ['of a commit that nobody knows of, and that never arrived', away],
  ])('%s is committed, as it would have been, and its file goes', async (_, how) => {
    const save = await failed(how)
    const { outcome, revision, replaced } = await settings(later).recover(save)
    expect({ outcome, replaced: replaced?.number }).toEqual({ outcome: 'committed', replaced: 1 })
    expect(revision).toMatchObject({ number: 2, message: 'second', labels: ['wanted'], current: true })
    expect(await values()).toEqual(['1', '2'])
    expect(existsSync(save.file)).toBe(false)
    expect(await kept(later)).toEqual([])
  })

  it('of a commit that landed, whose answer was lost, is known to have, and is not committed again', async () => {
    const save = await failed(lost)
    expect(await values()).toEqual(['1', '2'])
    const { outcome, revision } = await settings(later).recover(save)
    expect(outcome).toBe('landed')
    expect(revision).toMatchObject({ number: 2, message: 'second' })
    expect(await values()).toEqual(['1', '2'])
    expect(existsSync(save.file)).toBe(false)
  })

  it('that landed is known to have even when its parent was made current again since', async () => {
    const save = await failed(lost)
    await settings(later).setCurrent('@1')
    expect((await settings(later).recover(save)).outcome).toBe('landed')
    expect(await values()).toEqual(['1', '2'])
  })

  it('that landed long ago, and was pruned, is known to have', async () => {
    const save = await failed(lost)
    const doc = settings(later)
    await doc.unlabel('wanted')
    for (let n = 3; n < 80; n++) await doc.commit(String(n), { parent: 'any' })
    await doc.prune({ keepLast: 3 })
    expect(await doc.recover(save)).toEqual({ outcome: 'landed' })
  })

  it('is not committed on anything else than what it was to replace', async () => {
    const save = await failed(refused)
    const other = await settings(later).commit('other', { parent: 'any' })
    const error = await failure(settings(later).recover(save))
    expect(error).toMatchObject({ code: 'Conflict', details: { current: other.id } })
    expect(await settings(later).compareSave(save)).toMatchObject({
      current: { id: other.id },
      equal: false,
      changes: [{ path: [], kind: 'changed', before: 'other', after: '2' }],
    })
    expect(await values()).toEqual(['1', 'other'])
    await settings(later).recover(save, { replace: other.id })
    expect(await values()).toEqual(['1', 'other', '2'])
  })

  it('is not committed when what it was to replace is current again, having been left', async () => {
    const save = await failed(refused)
    await settings(later).commit('other', { parent: 'any' })
    await settings(later).setCurrent('@1')
    expect((await failure(settings(later).recover(save))).code).toBe('Conflict')
    expect(existsSync(save.file)).toBe(true)
  })

  it('that is what is current by now goes without a revision', async () => {
    const doc = settings(await machine.process())
    refused()
    await machine.failing(doc.commit('2', { parent: 'any' }))
    await settings(later).commit('2', { parent: 'any' })
    const [save] = await kept(later)
    expect(await settings(later).recover(save!)).toMatchObject({ outcome: 'unchanged', revision: { number: 2 } })
    expect(await values()).toEqual(['1', '2'])
    expect(existsSync(save!.file)).toBe(false)
  })

  it('of a first commit makes the document, and not a second time', async () => {
    const doc = (await machine.process()).document('fresh', {
      type: 'bytes',
      encode: (v: Uint8Array) => v,
      decode: (b) => b,
    })
    machine.faulty.faults.add(
      { operation: 'PutObject', ...ALWAYS },
      { do: 'status', status: 403, code: 'AccessDenied' },
    )
    const body = Buffer.alloc(100_000, 7)
    await machine.failing(doc.commit(body, { parent: 'none' }))
    const [save] = await kept(later, 'fresh')
    expect(save).toMatchObject({ parent: null, bytes: body.length })
    expect(
      (await later.document('fresh', { type: 'bytes', encode: (v: Uint8Array) => v, decode: (b) => b }).recover(save!))
        .outcome,
    ).toBe('committed')
    const read = await (await machine.later())
      .document('fresh', { type: 'bytes', encode: (v: Uint8Array) => v, decode: (b) => b })
      .read()
    expect(Buffer.compare(read!.value, body)).toBe(0)
  })

  it('says in a dry run what would become of it, and stays', async () => {
    const save = await failed(refused)
    expect(await settings(later).recover(save, { dryRun: true })).toMatchObject({
      outcome: 'committed',
      replaced: { number: 1 },
    })
    expect(await values()).toEqual(['1'])
    expect(existsSync(save.file)).toBe(true)
  })
})

describe('a late copy of the first attempt', () => {
  /** A commit that failed and was kept, and whose write is still on its way. */
  async function attemptThatIsLate() {
    const doc = settings(await machine.process())
    const now = (await doc.read())!
    const late = machine.faulty.faults.hold(WRITES)
    away()
    const error = machine.failing(doc.commit('2', { parent: now }))
    await late.arrived()
    await error
    return late
  }

  it('that lands while the save is recovered is what counts', async () => {
    const late = await attemptThatIsLate()
    machine.faulty.faults.clear()
    const [save] = await kept(later)
    // It arrives between the recovery's look at the head and its own write.
    const racing = faultyStore(memoryStore({ bucket: machine.bucket }))
    const mine = racing.faults.hold(WRITES)
    const recovering = settings(await machine.later(racing)).recover(save!)
    await mine.arrived()
    await late.release()
    await mine.release()
    expect(await recovering).toMatchObject({ outcome: 'landed', revision: { number: 2 } })
    expect(await values()).toEqual(['1', '2'])
  })

  it('that arrives after the save was recovered does nothing', async () => {
    const late = await attemptThatIsLate()
    const [save] = await kept(later)
    expect((await settings(later).recover(save!)).outcome).toBe('committed')
    await late.release()
    await machine.faulty.settled()
    expect(await values()).toEqual(['1', '2'])
  })
})

describe('a recovery', () => {
  it('whose own answer is lost is found to have landed by the next', async () => {
    const save = await failed(refused)
    const again = settings(await machine.process())
    machine.loseAnswer({ reads: 2 }) // it reads the head before
    const error = await machine.failing(again.recover(save))
    expect(error.code).toBe('OutcomeUnknown')
    machine.faulty.faults.clear()
    const [still] = await kept(later)
    expect(still?.writes).toHaveLength(2)
    await settings(later).setCurrent('@1') // what it was to replace, once more
    expect((await settings(later).recover(save)).outcome).toBe('landed') // as it was listed before that write was noted
    expect(await values()).toEqual(['1', '2'])
  })

  it('beside another commits once: the other finds that it landed, or that it is gone', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const doc = settings(await machine.process())
      const now = (await doc.read())!
      refused()
      await machine.failing(doc.commit(`round ${round}`, { parent: now }))
      machine.faulty.faults.clear()
      const [save] = await kept(later)
      const two = [settings(await machine.later()), settings(await machine.later())]
      const outcomes = await Promise.all(
        two.map((one) =>
          one.recover(save!).then(
            ({ outcome }) => outcome,
            (error: { code: string }) => error.code,
          ),
        ),
      )
      expect(['NotFound', 'committed', 'landed', 'unchanged']).toEqual(expect.arrayContaining(outcomes))
      expect(outcomes.filter((outcome) => outcome === 'committed')).toHaveLength(1)
    }
    expect(await values()).toHaveLength(1 + ROUNDS)
  })

  it('that was refused beside another does not take the write of that one for its own', async () => {
    const doc = settings(await machine.process())
    const now = (await doc.read())!
    refused()
    await machine.failing(doc.commit('mine', { parent: now }))
    await machine.failing(doc.commit('theirs', { parent: now }))
    machine.faulty.faults.clear()
    const saves = await kept(later)
    const busy = faultyStore(memoryStore({ bucket: machine.bucket }))
    const store = settings(await machine.later(busy))
    const hold = busy.faults.hold(WRITES)
    const labelling = store.label('busy', '@1') // both wait for it, and share the next write
    await hold.arrived()
    const notes = busy.faults.hold(WRITES)
    const recovering = saves.map((save) =>
      store.recover(save).then(
        ({ outcome }) => outcome,
        ({ code }: { code: string }) => code,
      ),
    )
    const arrived = notes.arrived()
    await new Promise((resolve) => setTimeout(resolve, 200)) // for both to be in the queue; one that is late is refused alone
    await hold.release()
    await labelling
    await arrived
    await notes.release()
    const outcomes = await Promise.all(recovering)
    expect([...outcomes].sort()).toEqual(['Conflict', 'committed'])
    const [left] = await kept(later)
    expect(left?.id).toBe(saves[outcomes.indexOf('Conflict')]!.id)
    expect((await failure(settings(later).recover(left!))).code).toBe('Conflict')
    expect(await values()).toHaveLength(2)
  })

  it('that cannot note its write sends none', async () => {
    const save = await failed(refused)
    renameSync(save.file, `${save.file}.real`)
    symlinkSync(`${save.file}.real`, save.file)
    expect((await failure(settings(later).recover(save))).code).toMatch(/Unavailable|Corrupt/)
    expect(await values()).toEqual(['1'])
  })
})

describe('of two commits that share a write whose answer is lost', () => {
  it('the one that was refused because of the other is not said to have landed with it', async () => {
    const doc = settings(await machine.process())
    const now = (await doc.read())!
    machine.loseAnswer({ reads: 2 })
    const [first, second] = await Promise.all(
      ['2', '3'].map((value) => machine.failing(doc.commit(value, { parent: now }))),
    )
    expect(first).toMatchObject({ code: 'OutcomeUnknown', details: { write: expect.anything() } })
    expect(second!.details).not.toHaveProperty('write')
    machine.faulty.faults.clear()
    const saves = await kept(later)
    const save = (error: KeelstateError) => saves.find(({ file }) => file === error.details.spooled)!
    expect((await settings(later).recover(save(first!))).outcome).toBe('landed')
    expect((await failure(settings(later).recover(save(second!)))).code).toBe('Conflict')
    expect(await values()).toEqual(['1', '2'])
    expect(await kept(later)).toHaveLength(1)
  })
})

describe('a file of a save', () => {
  it('that was changed anywhere is refused', async () => {
    const save = await failed(refused)
    const good = readFileSync(save.file)
    const end = layoutBytes(good, save.file) + good.readUInt32BE(layoutBytes(good, save.file) - 4)
    expect(end).toBe(good.length)
    let accepted = 0
    for (let at = 0; at < good.length; at += 7) {
      const bad = Buffer.from(good)
      bad[at] = bad[at]! ^ 1
      writeFileSync(save.file, bad)
      const error = await settings(later)
        .openSave(save)
        .then(
          () => undefined,
          (reason: { code: string }) => reason.code,
        )
      if (error === undefined) accepted++
      else expect(['Corrupt', 'DecryptFailed', 'Unsupported', 'InvalidInput']).toContain(error)
    }
    expect(accepted).toBe(0)
  })

  it('that was cut short is refused; a line that was cut short is of a write that was never sent', async () => {
    const save = await failed(refused)
    const good = readFileSync(save.file)
    appendFileSync(save.file, '\n0123456789abcdef')
    expect((await kept(later))[0]?.writes).toEqual(save.writes)
    appendFileSync(save.file, '\n0123456789abcdef0123456789abcdef@9 00000000\n')
    expect((await failure(settings(later).recover(save))).code).toBe('Corrupt')
    for (const length of [0, 10, 100, good.length - 1]) {
      writeFileSync(save.file, good)
      truncateSync(save.file, length)
      expect((await failure(settings(later).recover(save))).code).toBe('Corrupt')
    }
    expect(await values()).toEqual(['1'])
  })

  it('of another document is refused, and not listed with this one', async () => {
    const save = await failed(refused)
    const file = save.file.replace('/doc/', '/other/')
    cpSync(dirname(save.file), dirname(file), { recursive: true })
    expect(await kept(later, 'other')).toEqual([])
    const other = later.document('other', { type: 'json', encode: () => Buffer.alloc(0), decode: () => '' })
    expect((await failure(other.recover({ ...save, file }))).code).toBe('InvalidInput')
  })

  it('of another store is refused, and not listed in this one', async () => {
    const save = await failed(refused)
    const spool = join(machine.folder, 'spool')
    const other = await openStore({ store: memoryStore(), keys: KEY, storeId: 'f'.repeat(32), memory: false, spool })
    expect(await kept(other)).toEqual([])
    expect((await failure(settings(other).recover(save))).code).toBe('InvalidInput')
  })

  it('that is gone was recovered by somebody else', async () => {
    const save = await failed(refused)
    await settings(later).discardSave(save)
    expect(await failure(settings(later).recover(save))).toMatchObject({
      code: 'NotFound',
      details: { subject: 'save' },
    })
  })
})

describe('a change of a keyed document', () => {
  /** A change on a first revision is refused, and kept. */
  async function refuseChange(): Promise<void> {
    const mine = (await machine.process()).keyed<number>('keys')
    const first = await mine.commit({ put: { a: 1, b: 2 } }, { parent: 'none' })
    refused()
    machine.faulty.faults.add(
      { operation: 'PutObject', ...ALWAYS },
      { do: 'status', status: 403, code: 'AccessDenied' },
    )
    await machine.failing(mine.commit({ put: { c: 3 }, delete: ['a'] }, { parent: first }))
  }

  it('is kept as that, and takes its place', async () => {
    await refuseChange()
    const [save] = await kept(later, 'keys')
    expect(save!.bytes).toBeLessThan(50)
    expect(Buffer.from((await later.keyed('keys').openSave(save!)).body).toString()).toBe('{"b":2,"c":3}')
    expect((await later.keyed('keys').recover(save!)).outcome).toBe('committed')
    expect([...(await (await machine.later()).keyed<number>('keys').read())!.value]).toEqual([
      ['b', 2],
      ['c', 3],
    ])
  })

  /** A change on a first revision that was refused, and what others made current since. */
  async function refusedChange(since: { put: Record<string, number> }[]) {
    await refuseChange()
    machine.faulty.faults.clear()
    const keys = later.keyed<number>('keys')
    for (const change of since) await keys.commit(change, { parent: 'any' })
    return { keys, save: (await kept(later, 'keys'))[0]!, current: (await keys.read())! }
  }

  it('is shown as what it makes of what is current, which is what takes its place', async () => {
    const { keys, save, current } = await refusedChange([{ put: { d: 4 } }])
    expect((await failure(keys.recover(save))).code).toBe('Conflict')
    const { body, changes } = await keys.compareSave(save)
    expect(body.toString()).toBe('{"b":2,"c":3,"d":4}')
    expect(changes).toEqual([
      { path: ['a'], kind: 'removed', before: 1 },
      { path: ['c'], kind: 'added', after: 3 },
    ])
    const { revision } = await keys.recover(save, { replace: current.id })
    expect(revision).toMatchObject({ current: true })
    const now = await (await machine.later()).keyed<number>('keys').read()
    expect(JSON.stringify(Object.fromEntries(now!.value))).toBe(body.toString())
  })

  it('of a revision that was pruned since is a conflict as another is, and can take the place of what is current', async () => {
    const { keys, save, current } = await refusedChange([1, 2, 3, 4, 5].map((n) => ({ put: { [`x${n}`]: n } })))
    await keys.compact()
    await keys.prune({ keepLast: 1 })
    expect(await failure(keys.recover(save))).toMatchObject({ code: 'Conflict', details: { current: current.id } })
    expect(await keys.compareSave(save)).toMatchObject({ current: { id: current.id }, equal: false })
    expect((await keys.recover(save, { replace: current.id })).outcome).toBe('committed')
  })
})
