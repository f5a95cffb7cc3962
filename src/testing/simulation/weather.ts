/** How messages fare: times in ms of virtual time, and how likely each accident is, per request, in [0, 1]. */
export interface Weather {
  /** One way, from and to. */
  latencyMs: readonly [number, number]
  /** How late a late request, a second copy or a stalled answer comes, from and to. */
  lateMs: readonly [number, number]
  /** How often an accident is silent: nothing is heard of the request any more, instead of a connection that is reset. */
  silence: number
  /** Which requests have accidents, such as `lock read`; default all. */
  only?: readonly string[]
  /** The request never arrives. */
  lostRequest: number
  /** It is executed, and the answer never comes back. */
  lostAnswer: number
  /** It arrives and is executed late, its sender gone or not. */
  late: number
  /** It is executed twice, the second time late; half of the time it is the second answer that comes back. */
  doubled: number
  /** It is executed in time, and answered late. */
  stalled: number
  /** 429 or 503, not executed. */
  busy: number
  /** 409: another write of the same key is under way; half of the time a copy of itself, which is executed. */
  racing: number
  /** 403, not executed. */
  denied: number
  /** 503 although it was executed. */
  failedAfter: number
}

export const FAIR: Weather = {
  latencyMs: [1, 40],
  lateMs: [0, 0],
  silence: 0,
  lostRequest: 0,
  lostAnswer: 0,
  late: 0,
  doubled: 0,
  stalled: 0,
  busy: 0,
  racing: 0,
  denied: 0,
  failedAfter: 0,
}

export const STORMY: Weather = {
  latencyMs: [1, 120],
  lateMs: [500, 60_000],
  silence: 0.4,
  lostRequest: 0.03,
  lostAnswer: 0.04,
  late: 0.03,
  doubled: 0.04,
  stalled: 0.02,
  busy: 0.03,
  racing: 0.02,
  denied: 0.01,
  failedAfter: 0.03,
}

const ACCIDENTS = [
  'lostRequest',
  'lostAnswer',
  'late',
  'doubled',
  'stalled',
  'busy',
  'racing',
  'denied',
  'failedAfter',
] as const

export type Fate = (typeof ACCIDENTS)[number] | 'fine'

/** What happens to a request. @param chance In [0, 1). */
export function fateIn(weather: Weather, chance: number): Fate {
  let left = chance
  for (const accident of ACCIDENTS) {
    if (left < weather[accident]) return accident
    left -= weather[accident]
  }
  return 'fine'
}
