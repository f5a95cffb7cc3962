import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import { type CloudPlace, startGcs } from '../clouds.ts'

const HEAD = 'heads/state/doc/~'
const OTHER = 'heads/state/other/~'
const ABSENT = { ifAbsent: true } as const
const body = Buffer.from('body')
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

let place: CloudPlace
let store: ObjectStore

const statuses = () => place.server.requests.map(({ status }) => status)

beforeEach(async () => {
  place = await startGcs({ oneWriteASecond: true })
  store = place.open()
})
afterEach(async () => {
  await store.close()
  await place.close()
})

describe('writes of one object', () => {
  it('wait for nothing until the service says that they come too fast; then each is sent when the service will take it', async () => {
    let token = await store.put(HEAD, body, ABSENT)
    await expect(store.put(HEAD, body, { ifMatch: token })).rejects.toMatchObject({ code: 'Throttled' })
    await pause(1_050)
    const started = performance.now()
    for (let n = 0; n < 3; n += 1) token = await store.put(HEAD, body, { ifMatch: token })
    expect(performance.now() - started).toBeGreaterThan(1_900) // the first at once, the others a second apart
    expect(statuses()).toEqual([200, 429, 200, 200, 200])
  })

  it('leave one turn in four to others of whom nothing is known, and every second one once they were met', async () => {
    let token = await store.put(HEAD, body, ABSENT)
    await expect(store.put(HEAD, body, { ifMatch: token })).rejects.toMatchObject({ code: 'Throttled' })
    await pause(1_050)
    const waits: number[] = []
    const write = async () => {
      const started = performance.now()
      token = await store.put(HEAD, body, { ifMatch: token })
      waits.push(Math.floor((performance.now() - started + 100) / 1_000))
    }
    for (let n = 0; n < 5; n += 1) await write()
    expect(waits).toEqual([0, 1, 1, 2, 1])

    const other = place.open()
    await pause(1_050)
    const theirs = await other.put(HEAD, body, { ifMatch: token })
    await other.close()
    await pause(1_050)
    await expect(store.put(HEAD, body, { ifMatch: token })).rejects.toMatchObject({ code: 'PreconditionFailed' })
    token = theirs
    waits.length = 0
    for (let n = 0; n < 3; n += 1) await write()
    expect(waits).toEqual([0, 2, 2])
  }, 30_000)

  it('do not hold up those of another', async () => {
    const token = await store.put(HEAD, body, ABSENT)
    await expect(store.put(HEAD, body, { ifMatch: token })).rejects.toMatchObject({ code: 'Throttled' })
    await store.put(OTHER, body, ABSENT)
    expect(statuses()).toEqual([200, 429, 200])
  })

  it('that wait are not sent when their caller gives up, which ends the wait, or when the store is closed meanwhile', async () => {
    let token = await store.put(HEAD, body, ABSENT)
    await expect(store.put(HEAD, body, { ifMatch: token })).rejects.toMatchObject({ code: 'Throttled' })
    await pause(1_050)
    token = await store.put(HEAD, body, { ifMatch: token })
    const given = store.put(HEAD, body, { ifMatch: token }, { signal: AbortSignal.timeout(50) })
    await expect(given).rejects.toMatchObject({ code: 'Aborted', details: { notExecuted: true } })
    const waiting = store.put(HEAD, body, { ifMatch: token })
    await store.close()
    await expect(waiting).rejects.toMatchObject({ code: 'Closed' })
    expect(statuses()).toEqual([200, 429, 200])
  })
})
