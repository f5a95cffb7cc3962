import { expect, it } from 'vitest'
import { json } from '../../src/index.ts'
import { count, reportCounts } from '../counts.ts'
import { run } from '../file/children.ts'
import { bundle } from './bundle.ts'
import { filePlace } from './places.ts'
import { digestOf } from './state.ts'

const incrementer = await bundle(new URL('programs/incrementer.ts', import.meta.url))
const PROCESSES = 4
const INCREMENTS = count(2_000, 50)
reportCounts(import.meta.filename, { processes: PROCESSES, 'increments of each': INCREMENTS })

it(
  `${PROCESSES} processes that each add one to a document ${INCREMENTS} times add up exactly, and each addition is a revision of its own`,
  async () => {
    const place = await filePlace()
    await using store = await place.open()
    await store.init()
    const counter = store.document('counter', json<number>())
    await counter.commit(0, { parent: 'none' })
    const { store: address, keys, memory } = place
    const adding = Array.from({ length: PROCESSES }, () =>
      run(process.execPath, [incrementer, address, keys, memory, 'counter', String(INCREMENTS)]),
    )
    await Promise.all(adding)

    expect((await counter.read())?.value).toBe(PROCESSES * INCREMENTS)
    const seen = []
    for await (const { number, digest } of counter.history()) seen.unshift({ number, digest })
    const values = Array.from({ length: PROCESSES * INCREMENTS + 1 }, (_, value) => value)
    expect(seen).toEqual(values.map((value) => ({ number: value + 1, digest: digestOf(Buffer.from(`${value}`)) })))
    expect(await counter.verify()).toMatchObject({ ok: true, revisions: values.length, problems: [] })
  },
  30 * 60_000,
)
