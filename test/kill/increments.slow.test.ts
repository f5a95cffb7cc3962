import { expect, it } from 'vitest'
import { json } from '../../src/index.ts'
import { startGcs } from '../clouds.ts'
import { count, reportCounts } from '../counts.ts'
import { run } from '../file/children.ts'
import { bundle } from './bundle.ts'
import { filePlace, type Place, placeIn } from './places.ts'
import { digestOf } from './state.ts'

const incrementer = await bundle(new URL('programs/incrementer.ts', import.meta.url))
const PROCESSES = 4
const IN_A_FOLDER = count(2_000, 50)
const WRITERS = 4
const IN_A_BUCKET = count(20, 2)
reportCounts(import.meta.filename, {
  processes: PROCESSES,
  'increments of each in a folder': IN_A_FOLDER,
  'increments of each at one write a second': WRITERS * IN_A_BUCKET,
})

it(
  `${PROCESSES} processes that each add one to a document ${IN_A_FOLDER} times add up exactly, and each addition is a revision of its own`,
  async () => expectExact(await filePlace(), IN_A_FOLDER),
  30 * 60_000,
)

it(
  `so do ${PROCESSES} processes of ${WRITERS} writers each on Google Cloud Storage, which takes one write a second of the head: nobody gets an error, and more than one revision a second comes through`,
  async () => {
    const bucket = await startGcs({ oneWriteASecond: true })
    await expectExact(await placeIn(bucket), IN_A_BUCKET, WRITERS)

    const head = /\/heads\/.*counter/
    const writes = bucket.server.requests.filter(({ operation, key }) => operation === 'PutObject' && head.test(key))
    expect(writes.filter(({ status }) => status === 429).length).toBeGreaterThan(0)
    const landed = writes.filter(({ status }) => status === 200).length - 1 // of the base
    expect(
      (PROCESSES * WRITERS * IN_A_BUCKET) / landed,
      'revisions in one write, of which one a second is taken',
    ).toBeGreaterThan(1.5)
  },
  30 * 60_000,
)

/** Lets processes add to a counter at once, and holds the document to what they were told: each of them that all went well. */
async function expectExact(place: Place, increments: number, writers = 1): Promise<void> {
  await using store = await place.open()
  await store.init()
  const counter = store.document('counter', json<number>())
  await counter.commit(0, { parent: 'none' })
  const { store: address, keys, memory, env } = place
  const args = [incrementer, address, keys, memory, 'counter', String(increments), String(writers)]
  const adding = Array.from({ length: PROCESSES }, () =>
    run(process.execPath, args, { env: { ...process.env, ...env } }),
  )
  await Promise.all(adding)

  const total = PROCESSES * writers * increments
  expect((await counter.read())?.value).toBe(total)
  const seen = []
  for await (const { number, digest } of counter.history()) seen.unshift({ number, digest })
  const values = Array.from({ length: total + 1 }, (_, value) => value)
  expect(seen).toEqual(values.map((value) => ({ number: value + 1, digest: digestOf(Buffer.from(`${value}`)) })))
  expect(await counter.verify()).toMatchObject({ ok: true, revisions: values.length, problems: [] })
}
