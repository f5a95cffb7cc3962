import { KeelstateError } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import type { Bench } from './bench.ts'
import { same } from './creates.ts'

const LISTED = 5
const SIZES = [0, 1, 1_000, 70_001, 1_100_003]

/** What was created is in the next listing, page by page in order; what was deleted is not. */
export async function listAfterWrite(bench: Bench): Promise<Finding> {
  const check = 'list-after-write'
  const unsafe = (says: string): Finding => ({
    check,
    verdict: 'unsafe',
    says,
    todo: 'Collecting garbage and moving a store rest on listings: do neither here, or use another service.',
  })
  const made = await Promise.all(Array.from({ length: LISTED }, () => bench.create()))
  const keys = made.map(({ key }) => key).sort()
  const seen = new Set(await bench.list(bench.folder))
  const missing = keys.filter((key) => !seen.has(key))
  if (missing.length > 0) return unsafe(`${missing.length} of ${LISTED} objects that had been created were not listed.`)
  const paged = (await bench.list(bench.folder, 2)).filter((key) => keys.includes(key))
  if (paged.join() !== keys.join()) return unsafe('A listing in pages does not show every object once and in order.')
  const deleted = await bench.remove([keys[0]!]).then(
    () => true,
    (error: unknown) => {
      if (KeelstateError.is(error, 'AccessDenied')) return false // what it may do is told elsewhere
      throw error
    },
  )
  if (deleted && (await bench.list(bench.folder)).includes(keys[0]!))
    return unsafe('An object that had been deleted was listed.')
  return { check, verdict: 'ok', says: 'Listings show what was created, and not what was deleted.' }
}

/** What comes back is what was sent, to the byte: stores and proxies exist that keep the framing of an upload, or compress. */
export async function wholeBodies(bench: Bench): Promise<Finding> {
  const check = 'bodies'
  for (const size of SIZES) {
    const body = bench.environment.randomBytes(size)
    const { key } = await bench.create(body)
    const stored = await bench.read(key)
    if (!same(stored?.bytes, body)) {
      return {
        check,
        verdict: 'unsafe',
        says: `A body of ${size} bytes came back as ${stored === undefined ? 'nothing' : `${stored.bytes.length} bytes that differ from it`}.`,
        todo: 'The service, or a proxy in between, changes bodies.',
      }
    }
  }
  return {
    check,
    verdict: 'ok',
    says: `Bodies of 0 to ${SIZES.at(-1)!.toLocaleString('en-US')} bytes come back as they were sent.`,
  }
}
