import { beforeEach, describe, expect, it } from 'vitest'
import { sortRevisions, stateDocument } from '../../src/deployments/index.ts'
import { json, openStore, type Store } from '../../src/index.ts'

let store: Store

beforeEach(async () => {
  store = await openStore({ store: 'memory:', keys: 'plaintext', by: 'here' })
})

const made = { id: '01BX5ZZKBKACTAV9WEVGEMMVS0', at: '2026-05-30T12:00:00.123456789Z' }

describe('a revision that was made elsewhere', () => {
  it('keeps its id, time, author and message, gets the next number, and can be current at once or later', async () => {
    const document = store.document('shop/prod', json<number>())
    const first = await document.commit(1, { parent: 'none', made, by: 'ada@dev', message: 'why' })
    expect(first).toMatchObject({ ...made, number: 1, by: 'ada@dev', message: 'why', current: true })
    const second = await document.add(2, { made: { id: '01BX5ZZKBKACTAV9WEVGEMMVS1', at: made.at } })
    expect(second).toMatchObject({ number: 2, current: false, parent: first.id })
    expect((await document.setCurrent('@2')).id).toBe(second.id)
  })

  it('is refused under an id that is taken, wherever that revision’s record stands', async () => {
    const document = store.document('shop/prod', json<number>())
    await document.commit(1, { parent: 'none', made })
    await expect(document.add(1, { made })).rejects.toMatchObject({ code: 'Conflict' })
    for (let n = 0; n < 40; n++) await document.commit(n, { parent: 'any' })
    await expect(document.commit(1, { parent: 'any', made })).rejects.toMatchObject({
      code: 'Conflict',
      message: expect.stringContaining(made.id),
    })
    expect((await document.status()).lastNumber).toBe(41)
  })

  it('does not let later ids go back: those made here stay newer than the newest', async () => {
    const document = store.document('shop/prod', json<number>())
    const far = '7ZZZZZZZZZAAAAAAAAAAAAAAAA'
    await document.commit(1, { parent: 'none', made: { id: far, at: made.at } })
    await document.commit(2, { parent: 'any', made })
    expect((await document.commit(3, { parent: 'any' })).id > far).toBe(true)
  })

  it('is refused with an id of another form, or a time that is none', async () => {
    const document = store.document('shop/prod', json<number>())
    const commit = (id: string, at: string) => document.commit(1, { parent: 'none', made: { id, at } })
    for (const id of ['latest', '', '@1', 'a~1', '2026-05-30T12:00:00Z'])
      await expect(commit(id, made.at)).rejects.toMatchObject({ code: 'InvalidInput' })
    for (const at of ['yesterday', '2026-05-30', '2026-05-30T12:00:00+02:00', '2026-13-30T12:00:00Z'])
      await expect(commit(made.id, at)).rejects.toMatchObject({ code: 'InvalidInput' })
    await expect(document.status()).rejects.toMatchObject({ code: 'NotFound' })
  })
})

describe('ids of documents that hold any body', () => {
  const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/
  const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/
  const body = Buffer.from('{}')

  it('are times for snapshots and for what follows one, ULIDs for all else', async () => {
    const document = stateDocument(store, 'shop/prod')
    expect((await document.commit(body, { parent: 'none', type: 'json' })).id).toMatch(ULID)
    const snapshot = await document.commit(body, { parent: 'any', type: 'snapshot' })
    expect(snapshot.id).toMatch(TIME)
    const next = await document.commit(body, { parent: 'any', type: 'json' })
    expect(sortRevisions([next.id, snapshot.id])).toEqual([snapshot.id, next.id])
    expect((await document.rollback('@1')).id).toMatch(TIME)
  })
})
