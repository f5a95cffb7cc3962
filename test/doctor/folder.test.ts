import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { proofKey } from '../../src/core/proof.ts'
import { fileStore } from '../../src/file/index.ts'
import { type FolderFacts, judgeFolder } from '../../src/file/inspect.ts'
import { doctor, openStore } from '../../src/index.ts'
import { storeWith } from '../store-with.ts'

let folder: string

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'keelstate-doctor-')), 'state')
  const store = await openStore({ store: `file:${folder}`, keys: 'plaintext', memory: false })
  await store.init()
})
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }))

describe('a store in a folder', () => {
  it('is proven like any other, and asked for its disk', async () => {
    const report = await doctor({ store: `file:${folder}`, rounds: 10 })
    expect(report).toMatchObject({ verdict: 'safe', remembered: true, store: `file:${folder}` })
    expect(report.findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['file-system', 'folder-access', 'free-space']),
    )
    const store = fileStore({ root: folder })
    expect((await store.list('')).objects.map(({ key }) => key)).toEqual([
      'doctor/probe',
      proofKey(`file:${folder}`),
      'store',
    ])
  })

  it('that other users may write is unsafe', async () => {
    await chmod(folder, 0o777)
    const report = await doctor({ store: `file:${folder}`, rounds: 1 })
    expect(report.verdict).toBe('unsafe')
    expect(report.findings).toContainEqual(
      expect.objectContaining({ check: 'folder-access', verdict: 'unsafe', todo: `chmod 700 '${folder}'` }),
    )
  })

  it('on a file system whose steps are not atomic is unsafe', async () => {
    const good = fileStore({ root: folder })
    const broken = storeWith(good, {
      // Two machines on a network file system whose rename is replayed: the condition is judged on what each of them sees.
      async put(key, body, condition, options) {
        const before = await good.get(key)
        const holds =
          'ifAbsent' in condition
            ? before === undefined
            : typeof before === 'object' && before.token === condition.ifMatch
        if (!holds || 'ifAbsent' in condition) return await good.put(key, body, condition, options)
        return await good.put(key, body, condition, options).catch(() => condition.ifMatch)
      },
    })
    const report = await doctor({ store: broken, rounds: 5 })
    expect(report.findings).toContainEqual(expect.objectContaining({ check: 'update-race', verdict: 'unsafe' }))
  })

  const local: FolderFacts = {
    platform: 'linux',
    type: 0xef53,
    mode: 0o40700,
    owner: 1000,
    user: 1000,
    freeBytes: 2 ** 40,
  }
  it.each([
    [{}, { 'file-system': 'ok', 'folder-access': 'ok', 'free-space': 'ok' }],
    [{ type: 0x6969 }, { 'file-system': 'unsafe' }],
    [{ type: 0xff534d42 | 0 }, { 'file-system': 'unsafe' }],
    [{ type: 0xfe534d42 }, { 'file-system': 'unsafe' }],
    [{ type: 0x01021997 }, { 'file-system': 'unsafe' }],
    [{ type: 0x7461636f }, { 'file-system': 'unsafe' }],
    [{ type: 0x19830326 }, { 'file-system': 'unsafe' }],
    [{ type: 0xaad7aaea | 0 }, { 'file-system': 'unsafe' }],
    [{ type: 0x20030528 }, { 'file-system': 'unsafe' }],
    [{ type: 0x786f4256 }, { 'file-system': 'unsafe' }],
    [{ type: 0x65735546 }, { 'file-system': 'warning' }],
    [{ type: 0x01021994 }, { 'file-system': 'warning' }],
    [{ type: 0x794c7630 }, { 'file-system': 'warning' }],
    [{ platform: 'darwin' as const }, { 'file-system': 'unknown' }],
    [{ mode: 0o40770 }, { 'folder-access': 'unsafe' }],
    [{ mode: 0o40702 }, { 'folder-access': 'unsafe' }],
    [{ mode: 0o40755 }, { 'folder-access': 'warning' }],
    [{ owner: 0 }, { 'folder-access': 'warning' }],
    [{ freeBytes: 5_000 }, { 'free-space': 'warning' }],
  ])('is judged by what the system says: %j', (facts, wanted) => {
    const verdicts = Object.fromEntries(
      judgeFolder({ ...local, ...facts }, '/x').map(({ check, verdict }) => [check, verdict]),
    )
    expect(verdicts).toMatchObject(wanted)
  })
})
