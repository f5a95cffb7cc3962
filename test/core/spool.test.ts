import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { json, openStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { KEY, kept, Machine, settings } from './saves.ts'
import { ALWAYS, failure, READS, STORE_ID, UPLOADS, WRITES } from './workbench.ts'

let machine: Machine
beforeEach(() => {
  machine = new Machine()
})
afterEach(() => machine.remove())

const SECRET = 'the-plain-text-of-the-value'
const files = (): string[] =>
  (readdirSync(machine.folder, { recursive: true }) as string[]).filter((one) =>
    statSync(join(machine.folder, one)).isFile(),
  )
/** Those that are not being written any more. */
const whole = (): string[] => files().filter((one) => one.endsWith('.save'))

describe('a commit that fails for a reason that its caller cannot mend', () => {
  it.each([
    ['Unauthenticated', { do: 'status', status: 401, code: 'ExpiredToken' }],
    ['AccessDenied', { do: 'status', status: 403, code: 'AccessDenied' }],
    ['BucketMissing', { do: 'status', status: 404, code: 'NoSuchBucket' }],
    ['Timeout', { do: 'status', status: 503, code: 'SlowDown' }],
    ['NoSpace', { do: 'status', status: 507, code: 'InsufficientStorage' }],
    ['OutcomeUnknown', { do: 'drop-request' }],
  ] as const)('keeps what was to be saved, and says where: %s', async (code, fault) => {
    const store = await machine.process()
    await settings(store).commit('first', { parent: 'none' })
    machine.breakWrites(fault)
    if (code === 'OutcomeUnknown') machine.faulty.faults.add({ ...READS, ...ALWAYS }, { do: 'drop-request' })
    const first = (await settings(await machine.later()).read())!
    const error = await machine.failing(settings(store).commit(SECRET, { parent: first, message: 'why', by: 'ada' }))
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/keelstate recover doc$/) })
    const saves = await kept(await machine.later())
    expect(saves).toMatchObject([{ name: 'doc', kind: 'state', parent: first.id, file: error.details.spooled }])
    expect(saves[0]!.writes).toHaveLength(1)
    expect(await settings(await machine.later()).openSave(saves[0]!)).toMatchObject({
      body: Buffer.from(JSON.stringify(SECRET)),
      type: 'json',
      message: 'why',
      by: 'ada',
    })
  })

  it('keeps it sealed, in a file that only its owner can read', async () => {
    const store = await machine.process()
    machine.breakWrites({ do: 'status', status: 403, code: 'AccessDenied' })
    const error = await machine.failing(settings(store).commit(SECRET, { parent: 'none', message: 'a reason' }))
    expect(files()).toHaveLength(1)
    const bytes = readFileSync(error.details.spooled!)
    expect(bytes.includes(SECRET)).toBe(false)
    expect(bytes.includes('a reason')).toBe(false)
    expect(statSync(error.details.spooled!).mode & 0o777).toBe(0o600)
    for (const folder of readdirSync(machine.folder, { recursive: true }) as string[]) {
      const path = join(machine.folder, folder)
      if (lstatSync(path).isDirectory()) expect(statSync(path).mode & 0o777).toBe(0o700)
    }
  })

  it('keeps it although the head could not even be read, when the key needs no service', async () => {
    const store = await machine.process()
    machine.faulty.faults.add(ALWAYS, { do: 'status', status: 401, code: 'ExpiredToken' })
    const error = await machine.failing(settings(store).commit('new', { parent: 'any' }))
    expect(error.code).toBe('Unauthenticated')
    const later = await machine.later()
    expect((await settings(later).recover((await kept(later))[0]!)).outcome).toBe('committed')
    expect((await settings(later).read())?.value).toBe('new')
  })

  it('keeps the value of an update, on what it was made of', async () => {
    const store = await machine.process()
    const doc = settings(store)
    const first = await doc.commit('1', { parent: 'none' })
    machine.breakWrites({ do: 'status', status: 403, code: 'AccessDenied' })
    await machine.failing(doc.update((now) => `${now}2`))
    const later = await machine.later()
    expect(await kept(later)).toMatchObject([{ parent: first.id }])
    await settings(later).recover((await kept(later))[0]!)
    expect((await settings(later).read())?.value).toBe('12')
  })

  it('keeps what is committed under a lock, before that is given up', async () => {
    const store = await machine.process()
    const doc = settings(store)
    const held = await doc.lock({ operation: 'test', heartbeat: false })
    await held.commit('1')
    machine.breakWrites({ do: 'status', status: 403, code: 'AccessDenied' })
    expect((await machine.failing(held.commit('2'))).details.spooled).toBeDefined()
    await held.release()
    const later = await machine.later()
    await settings(later).withLock({ operation: 'recover' }, async (mine) => {
      await mine.recover((await kept(later))[0]!)
      await mine.commit('3') // on what was recovered
    })
    expect((await settings(later).revision('current~1')).value).toBe('2')
  })

  it('keeps it as what its commit was to replace, not what somebody without the lock made current meanwhile', async () => {
    const later = await machine.later()
    const first = await settings(later).commit('1', { parent: 'none' })
    const doc = settings(await machine.process())
    const held = await doc.lock({ operation: 'push', heartbeat: false })
    const pushing = doc.saving('mine', { parent: 'any' }, async (saving) => {
      await settings(later).commit('theirs', { parent: 'any' })
      await doc.revision('@1') // this process has seen it
      machine.faulty.faults.add({ ...READS, ...ALWAYS }, { do: 'drop-request' })
      return await held.commit('mine', { saving })
    })
    await machine.failing(pushing)
    const [save] = await kept(later)
    expect(save).toMatchObject({ parent: first.id })
    expect((await failure(settings(later).recover(save!))).code).toBe('Conflict')
    expect((await settings(later).read())?.value).toBe('theirs')
  })

  it('keeps what was committed under a lock that was lost', async () => {
    const mine = settings(await machine.process())
    const held = await mine.lock({ operation: 'mine', heartbeat: false })
    await held.commit('1')
    const later = await machine.later()
    await settings(later).forceUnlock(held.owner)
    await settings(later).withLock({ operation: 'theirs' }, async () => {})
    const error = await machine.failing(held.commit('2'))
    expect(error).toMatchObject({ code: 'LeaseLost', hint: expect.stringMatching(/keelstate recover doc$/) })
    const [save] = await kept(later)
    expect((await settings(later).recover(save!)).outcome).toBe('committed')
    expect((await settings(later).read())?.value).toBe('2')
  })

  it('keeps what was never sent, because taking the lock for it failed, under no write: it has not landed with the claim', async () => {
    const doc = settings(await machine.process())
    machine.loseAnswer({ reads: 2 }) // the lock's claim of a document that nobody has locked
    const error = await machine.failing(
      doc.saving('precious', { parent: 'none' }, () => doc.lock({ operation: 'push', heartbeat: false })),
    )
    expect(error.details.spooled).toBeDefined()
    machine.faulty.faults.clear()
    const later = await machine.later()
    const [save] = await kept(later)
    expect(save?.writes).toEqual([])
    expect((await settings(later).recover(save!)).outcome).toBe('committed')
    expect((await settings(later).read())?.value).toBe('precious')
  })

  it('says why it could not keep it when no key can be had, and fails as it would have', async () => {
    const keyless = new StaticKeyProvider({
      address: 'env:GONE',
      key: async () => {
        throw new Error('no such key')
      },
    })
    const store = await machine.open(machine.faulty, machine.time, keyless)
    machine.faulty.faults.add(ALWAYS, { do: 'status', status: 401, code: 'ExpiredToken' })
    const error = await machine.failing(settings(store).commit('x', { parent: 'none' }))
    expect(error).toMatchObject({
      code: 'Unauthenticated',
      details: { notSpooled: expect.stringMatching(/no such key|KEY|key/) },
    })
    expect(error.hint).toContain('could not be kept either')
    expect(files()).toEqual([])
  })

  it('says why it could not keep it when the folder cannot be written', async () => {
    const spool = '/dev/null/spool'
    const store = await openStore({ store: machine.faulty, keys: 'plaintext', storeId: STORE_ID, memory: false, spool })
    machine.breakWrites({ do: 'status', status: 403, code: 'AccessDenied' })
    const error = await failure(settings(store).commit('x', { parent: 'none' }))
    expect(error).toMatchObject({ code: 'AccessDenied', details: { notSpooled: expect.stringContaining(spool) } })
  })
})

describe('a commit that its caller has to mend, or that has landed,', () => {
  it('leaves nothing behind', async () => {
    const store = await machine.process()
    const doc = settings(store)
    await doc.commit('1', { parent: 'none' })
    expect((await failure(doc.commit('2', { parent: 'none' }))).code).toBe('Conflict')
    expect((await failure(doc.commit('2', { parent: 'any', label: '' }))).code).toBe('InvalidInput')
    machine.faulty.faults.add(WRITES, { do: 'drop-answer' })
    const landing = doc.commit('2', { parent: 'any' })
    await machine.time.until(landing)
    expect(files()).toEqual([])
  })

  it('leaves nothing behind when it was aborted and had landed after all', async () => {
    const store = await machine.process()
    const doc = settings(store)
    await doc.commit('1', { parent: 'none' })
    const hold = machine.faulty.faults.hold(WRITES, { when: 'after' })
    const aborting = new AbortController()
    const landing = doc.commit('2', { parent: 'any', signal: aborting.signal })
    await hold.arrived()
    aborting.abort()
    await expect.poll(whole, { timeout: 10_000 }).toHaveLength(1) // while nobody knows
    await hold.release()
    await landing
    expect(files()).toEqual([])
  })

  it('is kept nowhere when no folder was chosen', async () => {
    const store = await openStore({ store: memoryStore(), keys: 'plaintext', memory: false })
    const doc = store.document('doc', json<string>())
    const error = await failure(doc.commit('x', { parent: 'none', signal: AbortSignal.abort() }))
    expect(error).toMatchObject({ code: 'Aborted', details: { notExecuted: true } })
    expect(error.details.spooled ?? error.details.notSpooled).toBeUndefined()
  })
})

describe('a commit that is aborted', () => {
  it('is kept before its outcome is searched for, together with the write that is under way', async () => {
    const store = await machine.process()
    const doc = settings(store)
    await doc.commit('1', { parent: 'none' })
    machine.faulty.faults.add({ ...WRITES, ...ALWAYS }, { do: 'stall' })
    machine.faulty.faults.add({ ...READS, ...ALWAYS }, { do: 'stall' })
    const aborting = new AbortController()
    const committing = failure(doc.commit('2', { parent: 'any', signal: aborting.signal }))
    await machine.time.advance(10)
    aborting.abort()
    await expect.poll(whole, { timeout: 10_000 }).toHaveLength(1) // no time has passed since
    const [save] = await kept(await machine.later())
    expect(save!.writes).toHaveLength(1)
    await machine.time.until(committing)
    expect(await committing).toMatchObject({
      code: 'OutcomeUnknown',
      details: { spooled: save!.file, write: save!.writes[0] },
    })
    expect(files()).toHaveLength(1)
  })

  it('ends soon although it is not known which store this is, and says that it could not be kept', async () => {
    const store = await openStore({
      store: machine.faulty,
      keys: KEY,
      memory: false,
      spool: join(machine.folder, 'spool'),
    })
    const stalled = machine.faulty.faults.add(ALWAYS, { do: 'stall' })
    const aborting = new AbortController()
    const committing = failure(settings(store).commit('1', { parent: 'any', signal: aborting.signal }))
    await expect.poll(() => stalled.fired, { timeout: 10_000 }).toBe(1)
    aborting.abort()
    expect(await committing).toMatchObject({
      code: 'Aborted',
      details: { notSpooled: "The store's id could not be read in time." },
    })
    expect(files()).toEqual([])
  })

  it('and is written after that, for the sake of another who shares its write, is kept with that write', async () => {
    const store = await machine.process()
    const doc = settings(store)
    const spill = machine.faulty.faults.hold(UPLOADS) // what comes between the making of a head and its being sent
    const arrived = spill.arrived()
    const aborting = new AbortController()
    let sharing: Promise<unknown>[] = []
    for (let n = 0, spilling = false; !spilling; n++) {
      sharing = [
        doc.commit(`aborted ${n}`, { parent: 'any', signal: aborting.signal }),
        doc.commit(`other ${n}`, { parent: 'any' }),
      ]
      spilling = await Promise.race([arrived.then(() => true), Promise.all(sharing).then(() => false)])
    }
    const [mine, other] = sharing.map((commit) => failure(commit))
    aborting.abort()
    await expect.poll(whole, { timeout: 10_000 }).toHaveLength(1)
    const later = await machine.later()
    expect((await kept(later))[0]!.writes).toEqual([])
    const sent = machine.loseAnswer()
    await spill.release()
    await expect.poll(() => sent.fired, { timeout: 10_000 }).toBe(1)
    expect((await kept(later))[0]!.writes).toHaveLength(1)
    await machine.time.until(Promise.all([mine, other]))
    expect([(await mine!).code, (await other!).code]).toEqual(['OutcomeUnknown', 'OutcomeUnknown'])
    const saves = await kept(later)
    expect(saves.map(({ writes }) => writes.length)).toEqual([1, 1])
    for (const save of saves) expect((await settings(later).recover(save)).outcome).toBe('landed')
  })
})
