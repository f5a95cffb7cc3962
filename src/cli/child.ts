import { type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Host } from './host.ts'

const GRACE_MS = 5_000 // between asking a program to stop and killing it: nobody takes a lease over sooner after it ran out

export interface ChildOptions {
  readonly host: Host
  readonly env: NodeJS.ProcessEnv
  /** Stops the program when it fires: SIGTERM, and SIGKILL if it is still there after 5 s. */
  readonly stop: AbortSignal
}

/** How a program ended. */
export interface ChildEnd {
  /** As a shell says it: 128 + the signal that killed it, 127 when there is no such program, 126 when it cannot be run. */
  readonly code: number
  /** Why it could not be started. */
  readonly problem?: string
}

/**
 * Runs a program with the streams of this process. Signals that this process gets meanwhile go to the program; it decides what they mean.
 */
export async function runChild([program = '', ...args]: readonly string[], options: ChildOptions): Promise<ChildEnd> {
  const { host, env, stop } = options
  const child = spawn(program, args, { cwd: host.cwd, env, stdio: streams(host), windowsHide: true })
  if (child.stdin !== null) host.stdin.pipe(child.stdin).on('error', () => {})
  child.stdout?.pipe(host.stdout, { end: false })
  child.stderr?.pipe(host.stderr, { end: false })
  const stopRelay = host.relaySignals((signal) => {
    // What is typed at a terminal goes to all processes in its foreground, the program included.
    if (signal !== 'SIGINT' || host.stdin.isTTY !== true) child.kill(signal)
  })
  let killer: NodeJS.Timeout | undefined
  const onStop = () => {
    child.kill('SIGTERM')
    killer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  }
  stop.addEventListener('abort', onStop, { once: true })
  if (stop.aborted) onStop()
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    return { code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { code: 127, problem: 'there is no such program' }
    return { code: 126, problem: code === 'EACCES' ? 'permission denied' : String(code) }
  } finally {
    clearTimeout(killer)
    stop.removeEventListener('abort', onStop)
    stopRelay()
  }
}

/** The process's own streams are handed on as they are, so that the program sees the terminal; others are copied. */
function streams(host: Host): StdioOptions {
  return [
    host.stdin === process.stdin ? 'inherit' : 'pipe',
    host.stdout === process.stdout ? 'inherit' : 'pipe',
    host.stderr === process.stderr ? 'inherit' : 'pipe',
  ]
}
