import type { Command } from './command.ts'
import type { Host } from './host.ts'

/** Every command with what it does in a few words; each is a file of its own, imported when it is called. */
const COMMANDS: Readonly<Record<string, readonly [about: string, load: () => Promise<{ readonly command: Command }>]>> =
  {
    init: ['make a store and its configuration file', () => import('./commands/init.ts')],
    push: ['make a file the current revision of a document', () => import('./commands/push.ts')],
    pull: ['write out the body of the current or another revision', () => import('./commands/pull.ts')],
    list: ['list the documents of the store', () => import('./commands/list.ts')],
    status: ['show what is current, and the labels', () => import('./commands/status.ts')],
    history: ['list revisions, newest first', () => import('./commands/history.ts')],
    diff: ['show what changed between two revisions', () => import('./commands/diff.ts')],
    rollback: ['make the content of an earlier revision current again', () => import('./commands/rollback.ts')],
    label: ['name a revision, or remove the name', () => import('./commands/label.ts')],
    compact: ['store what is current whole, and let go of what was pruned', () => import('./commands/compact.ts')],
    delete: ['delete a document with its history', () => import('./commands/delete.ts')],
    recover: ['bring home what could not be saved', () => import('./commands/recover.ts')],
    'entries list': ['list the entries of a snapshot', () => import('./commands/entries-list.ts')],
    'entries show': ['show one entry of a snapshot', () => import('./commands/entries-show.ts')],
    'entries move': ['give entries another address', () => import('./commands/entries-move.ts')],
    'entries remove': ['forget an entry', () => import('./commands/entries-remove.ts')],
    lock: ['take the lock of a document, perhaps for a command', () => import('./commands/lock.ts')],
    unlock: ['break the lock of a document', () => import('./commands/unlock.ts')],
    locks: ['list the locks that are held', () => import('./commands/locks.ts')],
    'locks reset': ['mark all locks as restored from a backup', () => import('./commands/locks-reset.ts')],
    'import unobin': ['bring state of unobin v0.4.0 in', () => import('./commands/import-unobin.ts')],
    'export unobin': ['write state that unobin v0.4.0 reads', () => import('./commands/export-unobin.ts')],
    verify: ['read and check everything a document consists of', () => import('./commands/verify.ts')],
    doctor: ['prove that a store and a lock table are safe to use', () => import('./commands/doctor.ts')],
    accept: ['go on from a document that was restored on purpose', () => import('./commands/accept.ts')],
    config: ['show the settings and where each comes from', () => import('./commands/config.ts')],
  }

/**
 * Runs one command line and resolves to its exit code. Never rejects.
 *
 * Nothing but `node:` modules is imported before it is known that more than the version is asked for.
 */
export async function main(args: readonly string[], host: Host): Promise<number> {
  if (args[0] === '--version' || args[0] === '-V') {
    const { readFileSync } = await import('node:fs')
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    return await new Promise((resolve) => host.stdout.write(`${version}\n`, (error) => resolve(error ? 1 : 0)))
  }
  const { dispatch } = await import('./dispatch.ts')
  return dispatch(args, host, COMMANDS)
}

const ECHO_MS = 1_000 // npm passes on the Ctrl-C that the terminal has sent to each process of the group

/** Runs the process's own command line: `bin/keelstate.cjs` calls it. */
export async function run(args: readonly string[]): Promise<void> {
  const interrupt = new AbortController()
  let echoesUntil = 0
  const relays = new Set<(signal: NodeJS.Signals) => void>()
  const onSignal = (signal: NodeJS.Signals) => {
    for (const relay of relays) relay(signal)
    if (relays.size > 0) return
    if (!interrupt.signal.aborted) {
      echoesUntil = performance.now() + ECHO_MS
      interrupt.abort(signal)
    } else if (performance.now() > echoesUntil) process.exit(130) // does not wait for what the first one asked to stop
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal)
  // Whoever writes hears of failures; without a listener they would also end the process with a stack trace.
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})
  const { env, stdin, stdout, stderr } = process
  const relaySignals: Host['relaySignals'] = (to) => {
    relays.add(to)
    return () => void relays.delete(to)
  }
  const { signal } = interrupt
  process.exitCode = await main(args, { env, cwd: process.cwd(), stdin, stdout, stderr, signal, relaySignals })
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal)
}
