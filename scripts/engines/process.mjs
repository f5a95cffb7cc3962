// Running installers to their end and engines until they are stopped.
import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const LOG_LINES = 25
const POLL_MS = 100

// The engine runs in a process group of its own together with a guard that holds the other end of a pipe. However this process ends,
// the pipe closes and the guard ends the group.
const GUARD = '(cat <&3 >/dev/null 2>&1; kill -s KILL -- -$$) & exec "$@" 3<&-'

/** Tells the person who waits. */
export function say(text) {
  process.stderr.write(`${text}\n`)
}

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => interruption.abort(new Error(`interrupted by ${signal}`)))

/** Fires when this process is told to end: what runs is ended, what was started is stopped, then it ends. */
export const interrupted = interruption.signal

/** Runs a command to its end and resolves to its output; the error of one that failed carries the end of what it said. */
export async function run(command, args, { env = {}, cwd, timeoutMs = 60_000, signal = interrupted } = {}) {
  try {
    const options = { env: { ...process.env, ...env }, cwd, timeout: timeoutMs, signal, maxBuffer: 64 * 2 ** 20 }
    return (await promisify(execFile)(command, args, options)).stdout
  } catch (error) {
    signal.throwIfAborted()
    const reason = error.killed ? `ended after ${timeoutMs / 1000} s` : error.code
    throw new Error(
      `${command} ${args.join(' ')} failed (${reason})\n${tail(`${error.stdout ?? ''}${error.stderr ?? ''}`)}`,
    )
  }
}

/** The first of `commands` that runs with `args` and exits 0, if any does. */
export async function firstThatRuns(commands, args) {
  for (const command of commands.filter(Boolean)) {
    const works = await run(command, args).then(
      () => true,
      () => false,
    )
    if (works) return command
  }
  return undefined
}

/**
 * Starts an engine in an empty folder of its own and waits until it is healthy.
 *
 * `describe({ port, folder })` answers with `{ command, args, env, health, isReady }`, `health` being a path that answers 2xx or 4xx once the
 * engine serves, and `isReady` looking at what it answers where that is not enough; it throws when it never will be. Resolves to
 * `{ endpoint, stop }`; `stop` ends the whole process group and removes the folder.
 */
export async function launch(name, describe, { limitMs = 120_000 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), `keelstate-${name}-`))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const { command, args, env = {}, health, isReady = () => true } = describe({ port, folder })
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'w')
  const child = spawn('/bin/sh', ['-c', GUARD, name, command, ...args], {
    cwd: folder,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log, 'pipe'],
  })
  closeSync(log)
  let ended
  const exited = new Promise((resolve) => {
    const end = (reason) => {
      ended = reason
      resolve()
    }
    child.once('error', (error) => end(error.message))
    child.once('exit', (code, signal) => end(`exit ${code ?? signal}`))
  })
  const stop = async () => {
    if (child.pid !== undefined) killGroup(child.pid)
    await exited
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  const deadline = Date.now() + limitMs
  const healthy = async () => {
    const answer = await answerOf(`${endpoint}${health}`)
    try {
      return answer !== undefined && isReady(answer)
    } catch (error) {
      ended ??= error.message
      return false
    }
  }
  while (!(await healthy()) || ended !== undefined) {
    if (ended === undefined && Date.now() < deadline && !interrupted.aborted) {
      await Promise.race([sleep(POLL_MS), exited])
      continue
    }
    const said = tail(await readFile(logFile, 'utf8').catch(() => ''))
    await stop()
    throw new Error(
      `${name} ${ended === undefined ? `was not healthy after ${limitMs / 1000} s` : `ended at start (${ended})`}\n${said}`,
    )
  }
  return { endpoint, stop }
}

/** The text that a server answers; `undefined` while it does not serve. */
async function answerOf(url) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    const text = await answer.text()
    return answer.status < 500 ? text : undefined
  } catch {
    return undefined
  }
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL') // engines for tests have nothing to save
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** A free port below the range from which the system takes the local ends of outgoing connections. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

function tail(text) {
  return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n')
}
