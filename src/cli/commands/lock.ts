import { basename } from 'node:path'
import { type KeelstateError, throwIfAborted } from '../../core/errors.ts'
import { leaseLost } from '../../core/lease.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import type { LockHolder, LockOptions, VersionedDocument } from '../../index.ts'
import { usage } from '../arguments.ts'
import { runChild } from '../child.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { warnOfCredentials } from '../credentials.ts'
import { durationText, parseDuration } from '../durations.ts'
import { breakCommand, lockJson } from '../locks.ts'
import { shown } from '../text.ts'
import { giveUp, takeLock, WAIT_OPTION } from '../under-lock.ts'

const DEFAULT_LEASE = '30m'
const MIN_LEASE_MS = 1_000
const LONG_RUN_MS = 60 * 60 * 1_000 // how long a command runs is not known: one that is shorter is not worth a word
const MAX_LEASE_MS = 24 * 60 * 60 * 1_000

const options = {
  for: {
    type: 'string',
    value: 'TIME',
    help: `how long it lasts, at most 24h; default ${DEFAULT_LEASE}. With CMD: how long it outlives a process that died; default 30s`,
  },
  reason: { type: 'string', value: 'TEXT', help: 'what for: shown to those who wait' },
  ...WAIT_OPTION,
} as const

/** A lock that is left held, or how the program ended that it was held for. */
type Locked =
  | { name: string; holder: LockHolder }
  | { name: string; code: number; problem?: string; lost?: KeelstateError }

async function lock(call: Call<typeof options>): Promise<Locked> {
  const { rest, positionals } = call
  const name = positionals[0]!
  const { reason, for: duration } = call.options
  if (rest !== undefined && call.output.json)
    throw usage('lock', '--json and a command exclude each other: standard output is the command’s.')
  const leaseMs = duration === undefined ? undefined : leaseOf(duration)
  const store = await call.open()
  const document = stateDocument(store, name)
  const shared = { operation: 'lock', content: false, ...(reason !== undefined && { reason }) }
  if (rest !== undefined) {
    await warnOfCredentials(call, store, LONG_RUN_MS, 'a command of an hour would')
    return await holdFor(call, document, rest, { ...shared, ...(leaseMs !== undefined && { leaseMs }) })
  }
  const lease = { leaseMs: leaseMs ?? leaseOf(DEFAULT_LEASE), heartbeat: false }
  await warnOfCredentials(call, store, lease.leaseMs, 'the lock does')
  const held = await takeLock(call, document, { ...shared, ...lease })
  const { owner } = held
  held.leave()
  const holder = await document.holder({ signal: call.signal })
  if (holder?.owner === owner) return { name, holder }
  throw leaseLost(name, 'somebody broke it at once')
}

function leaseOf(duration: string): number {
  const ms = parseDuration(duration, '--for')
  if (ms >= MIN_LEASE_MS && ms <= MAX_LEASE_MS) return ms
  throw usage('lock', `--for must be from 1s to 24h, not ${shown(duration)}.`)
}

/** Holds the lock while a program runs, which other commands may work under. */
async function holdFor(
  call: Call<typeof options>,
  document: VersionedDocument<Uint8Array>,
  words: readonly string[],
  lease: Pick<LockOptions, 'operation' | 'content' | 'reason' | 'leaseMs'>,
): Promise<Locked> {
  const { host } = call
  const held = await takeLock(call, document, { reason: basename(words[0]!).slice(0, 200), ...lease })
  call.progress.stop()
  const env = { ...host.env, KEELSTATE_OWNER: held.owner }
  try {
    throwIfAborted(call.signal, 'lock', document.name) // from here on signals are for the program
    const ended = await runChild(words, { host, env, stop: held.signal })
    if (await giveUp(call, held)) return { name: document.name, ...ended }
    return { name: document.name, ...ended, lost: held.signal.reason as KeelstateError }
  } catch (error) {
    await giveUp(call, held)
    throw error
  }
}

export const command: Command = defineCommand({
  name: 'lock',
  about:
    'Takes the lock of NAME and prints its owner id; commands work under it with --owner or KEELSTATE_OWNER, and each begins its time anew, so that it never ends sooner. With CMD it is held while CMD runs, with KEELSTATE_OWNER set: CMD is stopped when the lock is lost, and its exit code is passed on.',
  positionals: ['NAME'],
  rest: 'CMD…',
  options,
  examples: [
    ['lock shop/prod --for 2h --reason "migration"', 'for the work of an afternoon'],
    ['lock shop/prod --wait 10m -- ./deploy.sh', 'for one program'],
  ],
  run: lock,
  async people(locked, output) {
    const { name } = locked
    if ('holder' in locked) {
      const { owner, since, leaseMs } = locked.holder
      const until = new Date(Date.parse(since) + leaseMs).toISOString()
      await output.data(`${owner}\n`)
      await output.talk(`locked ${shown(name)} for ${durationText(leaseMs)}, until ${until}`)
      await output.talk(`  work under it: --owner ${owner}; give it up: ${breakCommand(name, owner)}`)
    } else if (locked.problem !== undefined) await output.talk(`error: the command cannot be run: ${locked.problem}`)
  },
  json: (locked) => ({ name: locked.name, lock: 'holder' in locked ? lockJson(locked.holder) : null }),
  failure: (locked) => ('lost' in locked ? locked.lost : undefined),
  exit: (locked) => ('code' in locked ? locked.code : 0),
})
