import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { VersionToken } from '../../src/core/store.ts'
import type { FolderStore } from '../../src/file/store.ts'
import { diskWith, steppedDisk, storeOn } from './disks.ts'
import { testFolder } from './folder.ts'

const HEAD = 'heads/state/shop/~'
const OBJECT = 'objects/state/shop/~/00000000000000000000000000000001'
const body = (text: string) => Buffer.from(text.repeat(100))

/** A store whose next call stops before its step number `at` and goes on when told. */
function pausing(root: string, at: number): { store: FolderStore; stopped: Promise<void>; goOn: () => void } {
  let stop = () => {}
  let goOn = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const released = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const store = storeOn(
    root,
    steppedDisk(async (n) => {
      if (n !== at) return
      stop()
      await released
    }),
  )
  return { store, stopped, goOn }
}

type Outcome = { token: VersionToken } | { error: unknown }

function settled(work: Promise<VersionToken>): Promise<Outcome> {
  return work.then(
    (token) => ({ token }),
    (error: unknown) => ({ error }),
  )
}

async function read(store: FolderStore, key: string): Promise<{ text: string; token: string } | undefined> {
  const found = await store.get(key)
  if (found === undefined || found === 'unchanged') return undefined
  return { text: Buffer.from(found.bytes).toString(), token: found.token }
}

/** Steps of a call when nobody disturbs it. */
async function stepsOf(run: (store: FolderStore) => Promise<unknown>, root: string): Promise<number> {
  let steps = 0
  await run(
    storeOn(
      root,
      steppedDisk(async () => {
        steps += 1
      }),
    ),
  )
  return steps
}

it('two moves of one head, each stopped at every step of it, never lose or tear a body', async () => {
  const root = await testFolder()
  const plain = storeOn(root)
  let token = await plain.put(HEAD, body('start'), { ifAbsent: true })
  const warm = await plain.put(HEAD, body('warm'), { ifMatch: token })
  token = warm
  const steps = await stepsOf(async (store) => {
    token = await store.put(HEAD, body('counted'), { ifMatch: token })
  }, root)
  expect(steps).toBeGreaterThan(8)
  const wins = { first: 0, second: 0, both: 0 }
  for (let i = 0; i <= steps; i += 1) {
    for (let j = 0; j <= steps; j += 1) {
      const context = `first stopped before step ${i}, second before step ${j}`
      const start = (await read(plain, HEAD))!
      const first = pausing(root, i)
      const one = settled(first.store.put(HEAD, body('first'), { ifMatch: start.token }))
      await Promise.race([first.stopped, one])
      const between = (await read(plain, HEAD))!
      expect([start.text, body('first').toString()], context).toContain(between.text)
      const second = pausing(root, j)
      const two = settled(second.store.put(HEAD, body('second'), { ifMatch: between.token }))
      await Promise.race([second.stopped, two])
      first.goOn()
      const oneOutcome = await one
      second.goOn()
      const twoOutcome = await two

      const end = (await read(plain, HEAD))!
      const won = [oneOutcome, twoOutcome].map((outcome) => {
        if ('token' in outcome) return outcome.token
        expect(outcome.error, context).toMatchObject({ code: 'PreconditionFailed' })
        return undefined
      })
      if (between.token === start.token) {
        expect(won.filter((token) => token !== undefined).length, context).toBe(1)
        wins[won[0] === undefined ? 'second' : 'first'] += 1
      } else {
        expect(won, context).toEqual([between.token, end.token])
        wins.both += 1
      }
      expect(end.token, context).toBe(won[1] ?? won[0])
      expect(end.text, context).toBe(body(won[1] === undefined ? 'first' : 'second').toString())
    }
  }
  expect(Math.min(wins.first, wins.second, wins.both)).toBeGreaterThan(0)
})

it.each([HEAD, OBJECT])(
  'two creations of %s, each stopped at every step of it, have one winner and its whole body',
  async (key) => {
    const steps = await stepsOf((store) => store.put(key, body('counted'), { ifAbsent: true }), await testFolder())
    for (let i = 0; i <= steps; i += 1) {
      for (let j = 0; j <= steps; j += 1) {
        const context = `first stopped before step ${i}, second before step ${j}`
        const root = await testFolder()
        const first = pausing(root, i)
        const one = settled(first.store.put(key, body('first'), { ifAbsent: true }))
        await Promise.race([first.stopped, one])
        const second = pausing(root, j)
        const two = settled(second.store.put(key, body('second'), { ifAbsent: true }))
        await Promise.race([second.stopped, two])
        first.goOn()
        const oneOutcome = await one
        second.goOn()
        const outcomes = [oneOutcome, await two]
        const winners = outcomes.flatMap((outcome, n) =>
          'token' in outcome ? [{ token: outcome.token, text: body(['first', 'second'][n]!).toString() }] : [],
        )
        for (const outcome of outcomes)
          if ('error' in outcome) expect(outcome.error, context).toMatchObject({ code: 'PreconditionFailed' })
        expect(winners.length, context).toBe(1)
        expect(await read(storeOn(root), key), context).toEqual(winners[0])
      }
    }
  },
)

it.each([HEAD, OBJECT])(
  'a collector that sweeps at any step of a creation of %s, whatever its clock says, publishes nothing half',
  async (key) => {
    const steps = await stepsOf((store) => store.put(key, body('counted'), { ifAbsent: true }), await testFolder())
    let refused = 0
    for (let i = 0; i <= steps; i += 1) {
      const root = await testFolder()
      const collector = storeOn(root, undefined, { leftoverAgeMs: 0 })
      const { store, stopped, goOn } = pausing(root, i)
      const put = settled(store.put(key, body('slow'), { ifAbsent: true }))
      await Promise.race([stopped, put])
      await new Promise((resolve) => setTimeout(resolve, 2)) // older than 0 ms
      await collector.delete(['objects/state/other/~/00000000000000000000000000000001'])
      goOn()
      const outcome = await put
      const found = await read(collector, key)
      if ('token' in outcome)
        expect(found, `step ${i}`).toEqual({ text: body('slow').toString(), token: outcome.token })
      else {
        refused += 1
        expect(outcome.error, `step ${i}`).toSatisfy(
          (error) => KeelstateError.is(error, 'Unavailable') && error.details.notExecuted === true,
        )
        expect(found, `step ${i}`).toBeUndefined()
        await collector.put(key, body('again'), { ifAbsent: true })
      }
    }
    expect(refused).toBeGreaterThan(0)
  },
)

it('a collector that has emptied half of a slow writer’s tree when the writer comes back leaves nothing half published', async () => {
  const root = await testFolder()
  const names: string[] = []
  await storeOn(
    root,
    steppedDisk(async (_, name) => void names.push(name)),
  ).put('heads/state/other/~', body('other'), { ifAbsent: true })
  const writer = pausing(root, names.indexOf('rename'))
  const put = settled(writer.store.put(HEAD, body('slow'), { ifAbsent: true }))
  await writer.stopped
  await new Promise((resolve) => setTimeout(resolve, 2))
  const collector = storeOn(
    root,
    diskWith(async ({ name, args }, run) => {
      if (name !== 'removeTree') return await run()
      for (const path of await readdir(String(args[0]), { recursive: true }))
        await unlink(join(String(args[0]), path)).catch(() => {})
      writer.goOn()
      await put
      return await run()
    }),
    { leftoverAgeMs: 0 },
  )
  await collector.delete([])
  expect(await put).toMatchObject({ error: { code: 'Unavailable', details: { notExecuted: true } } })
  expect(await read(collector, HEAD)).toBeUndefined()
  await collector.put(HEAD, body('again'), { ifAbsent: true })
})
