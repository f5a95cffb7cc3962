import type { OutputStream } from './host.ts'
import { shown } from './text.ts'

const QUIET_MS = 1_000 // work that ends sooner shows nothing
const REDRAW_MS = 200
const CLEAR_LINE = '\r\u001b[2K'

/** One line on a terminal's stderr that is redrawn while a command works. */
export interface Progress {
  /** How far it is: `3` of a total, or `3` of something without a known end, perhaps in one document. */
  update(done: number, ofWhat: number | string, document?: string): void
  /** What it is waiting for; '' when that has come. */
  note(text: string): void
  /** Removes the line. Calling it twice is fine. */
  stop(): void
}

/** Starts showing progress after a second; shows nothing at all unless `stream` is a terminal. */
export function startProgress(label: string, stream: OutputStream, quietMs: number = QUIET_MS): Progress {
  if (stream.isTTY !== true) return { update() {}, note() {}, stop() {} }
  const started = performance.now()
  let state = ''
  let drawn = false
  const draw = () => {
    const elapsedMs = performance.now() - started
    if (elapsedMs < quietMs) return
    drawn = true
    stream.write(`${CLEAR_LINE}${label}${state} … ${Math.floor(elapsedMs / 1_000)} s`)
  }
  const timer = setInterval(draw, Math.min(REDRAW_MS, quietMs))
  timer.unref()
  return {
    update(done, ofWhat, document) {
      const rest = typeof ofWhat === 'number' ? ` of ${ofWhat.toLocaleString('en-US')}` : ` ${ofWhat}`
      state = `${document === undefined ? '' : ` ${shown(document)}`}: ${done.toLocaleString('en-US')}${rest}`
    },
    note(text) {
      state = text === '' ? '' : `: ${text}`
    },
    stop() {
      clearInterval(timer)
      if (drawn) stream.write(CLEAR_LINE)
      drawn = false
    },
  }
}
