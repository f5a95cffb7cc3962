import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { expect, it, vi } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { count, reportCounts } from '../counts.ts'
import { program, run, start } from './children.ts'
import { testFolder } from './folder.ts'
import { bodyOf, numberOf, objectKeyOf } from './programs/numbered.ts'
import { randomFrom } from './random.ts'

vi.setConfig({ testTimeout: 900_000 }) // full counts on a busy machine; a quiet one needs a sixth

const HEAD = 'heads/state/counter/~'
const PROCESSES = 4
const INCREMENTS = count(2_000, 150)
const KILLS = count(200, 40)
reportCounts(
  import.meta.filename,
  { processes: PROCESSES, 'increments of each': INCREMENTS, 'rounds of kills': KILLS },
  '11',
)

it(`${PROCESSES} processes that each add one ${INCREMENTS} times to one counter add up exactly`, async () => {
  const root = await testFolder()
  const counter = await program(new URL('programs/counter.ts', import.meta.url))
  const store = fileStore({ root })
  await store.put(HEAD, Buffer.from('0'), { ifAbsent: true })
  await Promise.all(
    Array.from({ length: PROCESSES }, () => run(process.execPath, [counter, root, HEAD, String(INCREMENTS)])),
  )
  const found = await store.get(HEAD)
  expect(found).not.toBe('unchanged')
  expect(Buffer.from((found as { bytes: Uint8Array }).bytes).toString()).toBe(String(PROCESSES * INCREMENTS))
  expect((await readdir(join(root, 'heads/state/counter/~@'))).length).toBe(1)
})

it(`after two writers were killed at any moment, ${KILLS} times, nothing acknowledged is lost, nothing is torn, and the next writer goes on`, async () => {
  const root = await testFolder()
  const writer = await program(new URL('programs/writer.ts', import.meta.url))
  const store = fileStore({ root, leftoverAgeMs: 0 })
  const random = randomFrom(11)
  let newest = 0
  let progress = 0
  for (let round = 0; round < KILLS; round += 1) {
    // Two at a time, killed at different moments, so that a death also hits the other's race.
    const writers = [0, 1].map(() => start(process.execPath, [writer, root, HEAD]))
    await Promise.all(
      writers.map(async ({ child }) => {
        await lines(child.stdout!, 1 + Math.floor(random() * 4))
        await new Promise((resolve) => setTimeout(resolve, random() * 10))
        child.kill('SIGKILL')
      }),
    )
    for (const { child, ended } of writers) {
      const { signal, stdout, stderr } = await ended
      expect({ signal, stderr }, `round ${round}`).toEqual({ signal: 'SIGKILL', stderr: '' })
      const acknowledged = stdout.split('\n').slice(1, -1).map(Number)
      newest = Math.max(newest, ...acknowledged)
      for (const n of acknowledged)
        expect(await store.get(objectKeyOf(n, child.pid!))).toMatchObject({ bytes: new Uint8Array(bodyOf(n)) })
    }
    const found = await store.get(HEAD)
    if (newest > 0) expect(found, `round ${round}: the head is absent after write ${newest}`).toBeDefined()
    if (found === undefined || found === 'unchanged') continue
    const n = numberOf(found.bytes)
    expect(n, `round ${round}: acknowledged writes were lost`).toBeGreaterThanOrEqual(newest)
    expect(n - newest, `round ${round}: a write came from nowhere`).toBeLessThanOrEqual(2) // landed, and killed before it could say so
    if (n > progress) progress = n
    newest = n
  }
  expect(progress).toBeGreaterThan(KILLS)

  // One object per acknowledged or landed write, each whole; what the dead left half-made goes with the next delete.
  const listed = []
  for (let cursor: string | undefined; ; ) {
    const page = await store.list('objects/', { cursor })
    listed.push(...page.objects)
    cursor = page.cursor
    if (cursor === undefined) break
  }
  expect(listed.length).toBeGreaterThanOrEqual(progress)
  for (const { key, size } of listed) expect(size, key).toBe(bodyOf(Number.parseInt(key.slice(-16), 16)).length)
  await new Promise((resolve) => setTimeout(resolve, 5))
  await store.delete([])
  expect(await readdir(join(root, '@tmp'))).toEqual([])
  const found = await store.get(HEAD)
  const token = await store.put(HEAD, bodyOf(1), { ifMatch: (found as { token: string }).token })
  expect(await readdir(join(root, 'heads/state/counter/~@', `cur.${token}`))).toEqual([token])
})

/** Resolves once that many lines were printed. */
function lines(stream: Readable, count: number): Promise<void> {
  let seen = 0
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      seen += chunk.toString().split('\n').length - 1
      if (seen >= count) resolve()
    })
    stream.on('end', resolve)
  })
}
