import { KeelstateError } from '../core/errors.ts'
import { shown } from './text.ts'

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * Reads a time such as `30s`, `5m`, `1h` or `0`, in ms.
 *
 * @param option Where it was given, for the message.
 * @throws {KeelstateError} `InvalidOptions`.
 */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (match !== null) return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]
  if (text === '0') return 0
  throw new KeelstateError('InvalidOptions', {
    message: `${option} must be a time such as 30s, 5m or 1h, not ${JSON.stringify(shown(text))}.`,
    details: { option },
  })
}

/** `1 h`, `30 min`, `35 s`: the largest unit that divides it. */
export function durationText(ms: number): string {
  for (const [unit, name] of [
    [UNITS.h, 'h'],
    [UNITS.m, 'min'],
    [UNITS.s, 's'],
  ] as const) {
    if (ms >= unit && ms % unit === 0) return `${ms / unit} ${name}`
  }
  return `${ms} ms`
}
