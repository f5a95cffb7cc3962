import { KeelstateError } from '../core/errors.ts'
import type { LockedDocument, LockHolder, LockOptions, Saving, VersionedDocument } from '../index.ts'
import type { OptionSpec } from './arguments.ts'
import type { Call } from './command.ts'
import { parseDuration } from './durations.ts'
import type { Settings } from './settings.ts'
import { shown } from './text.ts'
import { releaseWarning } from './warnings.ts'

/**
 * How long a command waits for another holder when nothing is said. Longer than the 35 s after which a holder that died is replaced: a pipeline that
 * follows a killed one must not need a person.
 */
export const DEFAULT_WAIT = '1m'

const MAX_RUN = 256 // characters of a run's address that a lock record takes

type WaitOption = { readonly wait: OptionSpec & { readonly type: 'string' } }

/** For commands that take a lock and keep it only while they run. */
export const WAIT_OPTION: WaitOption = {
  wait: {
    type: 'string',
    value: 'TIME',
    help: `how long to wait for another holder: 30s, 5m, 1h, 0 for not at all; default ${DEFAULT_WAIT}`,
  },
}

/** For commands that change a document. */
export const LOCK_OPTIONS: WaitOption & { readonly owner: OptionSpec & { readonly type: 'string' } } = {
  ...WAIT_OPTION,
  owner: { type: 'string', value: 'ID', help: 'work under a lock that was taken before: the id that lock printed' },
}

/** What of a call taking a lock needs. */
export type LockCall = Pick<Call, 'host' | 'signal' | 'output' | 'progress' | 'settings'>

/**
 * Runs `work` under the document's lock: one that is taken for it and given up whatever happens, or one that `--owner` names.
 *
 * @param lock.content Whether `work` needs what is current with its content, and not only `currentInfo`.
 * @param saving Keeps what `work` cannot save, before the lock is given up, which may take its time.
 * @throws {KeelstateError} `Locked`, `LeaseLost`; what `work` throws. That the lock could not be given up is only said: the work is done.
 */
export async function underLock<T, R>(
  call: LockCall,
  document: VersionedDocument<T>,
  lock: Pick<LockOptions, 'operation' | 'content'>,
  work: (held: LockedDocument<T>) => Promise<R>,
  saving?: Saving,
): Promise<R> {
  const { owner } = await call.settings()
  const held = owner === undefined ? await takeLock(call, document, lock) : await lockedBy(call, document, owner, lock)
  try {
    return await (saving?.during(() => work(held)) ?? work(held))
  } catch (error) {
    // Whoever ends the process may not wait until the lock is given up.
    if (call.signal.aborted && KeelstateError.is(error) && error.details.spooled !== undefined)
      await call.output.talk(`kept in ${shown(error.details.spooled)}`)
    throw error
  } finally {
    await giveUp(call, held)
  }
}

/** Takes a lock, waiting as configured and saying who is waited for. */
export async function takeLock<T>(
  call: LockCall,
  document: VersionedDocument<T>,
  options: LockOptions,
): Promise<LockedDocument<T>> {
  const { wait } = await call.settings()
  const run = pipelineRun(call.host.env)
  const held = await document.lock({
    waitMs: parseDuration(wait?.value ?? DEFAULT_WAIT, wait?.origin.name ?? '--wait'),
    signal: call.signal,
    onWaiting: (holder) => tellWaiting(call, document.name, holder),
    ...(run !== undefined && { run }),
    ...options,
  })
  call.progress.note('')
  return held
}

/** Gives a lock up, and tells whether it was held to the end. A failure is only said: the lock ends by itself. */
export async function giveUp({ output }: LockCall, held: LockedDocument<unknown>): Promise<boolean> {
  try {
    return await held.release()
  } catch (error) {
    await output.talk(releaseWarning(held.name, error))
    return true
  }
}

async function lockedBy<T>(
  { signal }: LockCall,
  document: VersionedDocument<T>,
  owner: NonNullable<Settings['owner']>,
  { content = true }: Pick<LockOptions, 'content'>,
): Promise<LockedDocument<T>> {
  try {
    return await document.lockedBy(owner.value, { signal, content })
  } catch (error) {
    if (!KeelstateError.is(error, 'LeaseLost')) throw error
    const where =
      owner.origin.from === 'flag' ? '' : `${owner.origin.name} names that id: unset it for other documents. `
    throw new KeelstateError('LeaseLost', {
      key: document.name,
      message: `${error.message} Nothing was written.`,
      hint: `${where}See who holds it: keelstate unlock ${shown(document.name)}`,
      cause: error,
    })
  }
}

function tellWaiting({ host, output, progress }: LockCall, name: string, holder: LockHolder): void {
  const text = `waiting for the lock on ${shown(name)}: held by ${holderLine(holder)}`
  if (host.stderr.isTTY === true) progress.note(text)
  else void output.talk(text)
}

/** `ada@dev since 2026-05-30T12:00:00.000Z (deploy, the reason, https://…)` */
export function holderLine({ who, host, since, operation, reason, run }: LockHolder): string {
  const what = [operation, reason, run].filter((part) => part !== undefined).map((part) => shown(part))
  return `${shown(who)}@${shown(host)} since ${shown(since)} (${what.join(', ')})`
}

/** Where the run can be looked at that this process is part of, as the common CI services say it. */
function pipelineRun(env: NodeJS.ProcessEnv): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: id } = env
  const github = server && repository && id ? `${server}/${repository}/actions/runs/${id}` : undefined
  const urls = [github, env.CI_JOB_URL, env.BUILDKITE_BUILD_URL, env.CIRCLE_BUILD_URL, env.BUILD_URL]
  return urls.find((url) => url !== undefined && url.length <= MAX_RUN && /^https?:\/\/[^\s@]+$/.test(url))
}
