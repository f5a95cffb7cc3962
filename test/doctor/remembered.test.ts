import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { proofKey } from '../../src/core/proof.ts'
import { type DoctorReport, doctor, type Finding, type ObjectStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { storeWith } from '../store-with.ts'

const found = ({ findings }: DoctorReport, check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check)

/** A store of a service that has to prove itself, which does some things in its own way. */
function service(good: ObjectStore, own: Partial<ObjectStore> = {}): ObjectStore {
  return storeWith(good, { capabilities: { ...good.capabilities, proofNeeded: true }, ...own })
}

describe('what doctor found out', () => {
  it('is not remembered of fewer than ten rounds, and the report says so', async () => {
    const good = memoryStore()
    const short = await doctor({ store: service(good), rounds: 9 })
    expect(short).toMatchObject({ verdict: 'safe', remembered: false })
    expect(found(short, 'proof')).toMatchObject({
      verdict: 'warning',
      says: expect.stringContaining('this one: 9'),
      todo: expect.stringContaining('10 rounds'),
    })
    expect(await good.get(proofKey(good.address))).toBeUndefined()
    const long = await doctor({ store: service(good), rounds: 10 })
    expect(long).toMatchObject({ verdict: 'safe', remembered: true })
    expect(found(long, 'proof')).toBeUndefined()
    expect(await doctor({ store: service(good), rounds: 1 })).toMatchObject({ remembered: true })
  })

  it('is no pass where a service lists the first page for ever, and comes to an end', async () => {
    const good = memoryStore()
    const list: ObjectStore['list'] = (prefix, { cursor: _, ...options } = {}) => good.list(prefix, options)
    const report = await doctor({ store: service(good, { list }), rounds: 10 })
    expect(report).toMatchObject({ verdict: 'unsafe', remembered: false })
    expect(found(report, 'list-after-write')).toMatchObject({
      verdict: 'unsafe',
      says: expect.stringContaining('every object once'),
    })
  })

  it('is no pass where the one write of a check was never answered', async () => {
    const good = memoryStore()
    let asked = false
    const answersAgain = service(good, {
      async get(key, options) {
        asked = options?.unlessToken !== undefined
        return asked ? 'unchanged' : await good.get(key, options)
      },
      async put(key, body, condition, options) {
        const token = await good.put(key, body, condition, options)
        if (asked) throw new KeelstateError('Unavailable', { key, message: 'The answer was lost.' })
        return token
      },
    })
    const report = await doctor({ store: answersAgain, rounds: 10 })
    expect(report).toMatchObject({ verdict: 'unproven', remembered: false })
    expect(found(report, 'conditional-read')).toMatchObject({ verdict: 'unknown' })
  })

  it('is taken back when it was wrong, and told of with what to delete when that is not allowed', async () => {
    const good = memoryStore()
    const key = proofKey(good.address)
    await doctor({ store: service(good), rounds: 10 })
    const overwrites: Partial<ObjectStore> = {
      async put(key, body, condition, options) {
        const now = await good.get(key)
        if ('ifAbsent' in condition || typeof now !== 'object') return await good.put(key, body, condition, options)
        return await good.put(key, body, { ifMatch: now.token }, options)
      },
    }
    const denies: Partial<ObjectStore> = {
      async delete() {
        throw new KeelstateError('AccessDenied', { message: 'These credentials may not delete.' })
      },
    }
    const kept = await doctor({ store: service(good, { ...overwrites, ...denies }), rounds: 10 })
    expect(kept).toMatchObject({ verdict: 'unsafe', remembered: true })
    expect(found(kept, 'proof')).toMatchObject({ verdict: 'unsafe', todo: expect.stringContaining(key) })
    expect(await good.get(key)).toBeDefined()
    const taken = await doctor({ store: service(good, overwrites), rounds: 10 })
    expect(taken).toMatchObject({ verdict: 'unsafe', remembered: false })
    expect(await good.get(key)).toBeUndefined()
  })

  it('is asked for again when an answer is lost', async () => {
    const good = memoryStore()
    const key = proofKey(good.address)
    await doctor({ store: service(good), rounds: 10 })
    let lost = 0
    const get: ObjectStore['get'] = async (name, options) => {
      if (name === key && lost++ === 0) throw new KeelstateError('Unavailable', { message: 'No answer came.' })
      return await good.get(name, options)
    }
    expect(await doctor({ store: service(good, { get }), rounds: 10 })).toMatchObject({ remembered: true })
    expect(lost).toBeGreaterThan(0)
  })

  it('holds of a service that answers a loser that its write met another one (409)', async () => {
    const good = memoryStore()
    let conflicts = 0
    const put: ObjectStore['put'] = async (key, body, condition, options) => {
      try {
        return await good.put(key, body, condition, options)
      } catch (error) {
        if (!KeelstateError.is(error, 'PreconditionFailed') || ++conflicts % 3 === 0) throw error
        throw new KeelstateError('Unavailable', { key, message: 'It met another operation.', details: { status: 409 } })
      }
    }
    const report = await doctor({ store: service(good, { put }), rounds: 10 })
    expect(found(report, 'create-race')).toMatchObject({ verdict: 'ok' })
    expect(found(report, 'update-race')).toMatchObject({ verdict: 'ok' })
  })

  it('is not made worse by what a bad service left: a good one that its objects were moved to is safe', async () => {
    const good = memoryStore()
    const put: ObjectStore['put'] = async (key, body, condition, options) => {
      const nothing = (await good.get(key)) === undefined
      return await good.put(key, body, nothing ? { ifAbsent: true } : condition, options)
    }
    const bad = await doctor({ store: service(good, { put }), rounds: 10 })
    expect(found(bad, 'update-refused')).toMatchObject({
      verdict: 'unsafe',
      says: expect.stringContaining('does not exist created it'),
    })
    expect(await doctor({ store: service(good), rounds: 10 })).toMatchObject({ verdict: 'safe', remembered: true })
  })

  it('repeats nothing that a client says of itself, which may hold secrets', async () => {
    const store = service(memoryStore(), {
      // biome-ignore lint/correctness/useYield: it fails before
      async *inspect() {
        const failure = new Error('Command failed: vault read -token=hvs.secret aws/creds/x')
        throw Object.assign(failure, { name: 'CredentialsProviderError' })
      },
    } as Partial<ObjectStore>)
    const report = await doctor({ store, rounds: 10 })
    expect(found(report, 'settings')).toMatchObject({
      verdict: 'unknown',
      says: 'The settings could not be asked for: the client failed (CredentialsProviderError).',
    })
    expect(JSON.stringify(report)).not.toContain('secret')
  })

  it('is not remembered of a client with an endpoint of its own, and takes no proof of others back', async () => {
    const good = memoryStore()
    const key = proofKey(good.address)
    const capabilities = { ...good.capabilities, proofNeeded: true, provable: false }
    const report = await doctor({ store: service(good, { capabilities }), rounds: 10 })
    expect(report).toMatchObject({ verdict: 'safe', remembered: false })
    expect(found(report, 'proof')).toMatchObject({ verdict: 'warning', says: expect.stringContaining('endpoint') })
    expect(await good.get(key)).toBeUndefined()
  })
})

describe('a run of doctor that is given up', () => {
  it('deletes also what its writes under way still create', async () => {
    const good = memoryStore()
    const stop = new AbortController()
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const landed: Promise<unknown>[] = []
    let held = false
    // As a service does: what it was sent it carries out, also when nobody waits for the answer any more.
    const put: ObjectStore['put'] = async (key, body, condition, options) => {
      if (!held) return await good.put(key, body, condition, options)
      const work = released.then(() => good.put(key, body, condition))
      if (landed.push(work) === 8) {
        setTimeout(() => {
          stop.abort()
          setTimeout(release)
        })
      }
      const given = new Promise<never>((_, reject) => {
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
      })
      return await Promise.race([work, given])
    }
    const work = doctor({
      store: service(good, { put }),
      signal: stop.signal,
      onProgress: (check, done) => {
        if (check === 'create-race' && done === 2) held = true
      },
    })
    await expect(work).rejects.toMatchObject({ code: 'Aborted' })
    await Promise.allSettled(landed)
    expect(landed).toHaveLength(8)
    expect((await good.list('objects/')).objects).toEqual([])
  })
})
