import { describe, expect, it } from 'vitest'
import { ulidRevisionIds } from '../../src/core/revision-id.ts'
import { VirtualTime } from './virtual-time.ts'

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

describe('a revision id', () => {
  it('is a ULID that tells when it was made', () => {
    const time = new VirtualTime({ wall: Date.parse('2016-07-30T23:54:10.259Z') })
    const id = ulidRevisionIds.next(time, '')
    expect(id).toMatch(ULID)
    expect(id.startsWith('01ARZ3NDEK')).toBe(true) // the sample of https://github.com/ulid/spec
  })

  it('sorts after the one before, whatever the clock does', () => {
    const time = new VirtualTime({ seed: 3 })
    let last = ''
    const jumps = [0, 1, -1, 60_000, -3_600_000, 0, 86_400_000 * 365 * 100, -86_400_000 * 365 * 200, 0.4]
    for (let n = 0; n < 2_000; n++) {
      time.wall += jumps[n % jumps.length]!
      const id = ulidRevisionIds.next(time, last)
      expect(id).toMatch(ULID)
      expect(id > last, `${id} after ${last}`).toBe(true)
      last = id
    }
  })

  it('is made although the clock says what no ULID can hold', () => {
    for (const wall of [-1, -1e15, 2 ** 48, 1e300, Number.NaN]) {
      const time = new VirtualTime({ wall })
      expect(ulidRevisionIds.next(time, ''), String(wall)).toMatch(ULID)
    }
  })
})
