import { KeelstateError, type RetryAdvice } from '../core/errors.ts'
import type { Host, OutputStream } from './host.ts'
import { safeJson, shown } from './text.ts'

/** What a command's `--json` holds beside its `schema`. */
export type JsonBody = Readonly<Record<string, unknown>>

/** What stderr's last line holds under `error` when a command with `--json` fails. */
export interface ErrorJson {
  code: string
  message: string
  hint: string | null
  retry: RetryAdvice
  key: string | null
}

/** Data goes to stdout, talk to stderr; nothing else is ever written to stdout. */
export class Output {
  readonly json: boolean
  readonly #stdout: OutputStream
  readonly #stderr: OutputStream

  constructor(host: Pick<Host, 'stdout' | 'stderr'>, json: boolean) {
    this.json = json
    this.#stdout = host.stdout
    this.#stderr = host.stderr
  }

  /**
   * Writes data; resolves once the stream took it. A reader that went away (`| head`) is no failure.
   *
   * @throws {KeelstateError} `NoSpace` or `Unavailable` when not all of it could be written.
   */
  async data(content: string | Uint8Array): Promise<void> {
    const error = await write(this.#stdout, content)
    if (error !== undefined && !isBrokenPipe(error)) throw outputLost(error)
  }

  /** Writes one line for the person who is watching. Never rejects: what was done is done, whoever is told. */
  async talk(line: string): Promise<void> {
    await write(this.#stderr, `${line}\n`)
  }

  /** The one object of a successful command with `--json`. */
  result(command: string, body: JsonBody): Promise<void> {
    return this.data(`${safeJson(versioned(command, body))}\n`)
  }

  /** Says what failed: two lines for people, or the one last line for a program, with the command's report when it made one. */
  failure(error: unknown, report?: { command: string; body: JsonBody }): Promise<void> {
    const json = errorJson(error)
    if (this.json) {
      return this.talk(safeJson({ error: json, ...(report && { report: versioned(report.command, report.body) }) }))
    }
    const hint = json.hint === null ? '' : `\n  hint: ${shown(json.hint)}`
    return this.talk(`error: ${shown(json.message)}${hint}`)
  }
}

function versioned(command: string, body: JsonBody): JsonBody {
  return { schema: `keelstate.${command.replaceAll(' ', '-')}/1`, ...body }
}

function errorJson(error: unknown): ErrorJson {
  if (KeelstateError.is(error)) {
    const { code, message, hint, retry, key } = error.toJSON()
    return { code, message, hint: hint ?? null, retry, key: key ?? null }
  }
  const message = error instanceof Error ? error.message : String(error)
  const hint = 'This is a defect of keelstate, or a failure of the machine that it does not know. Please report it.'
  return { code: 'Unexpected', message, hint, retry: 'never', key: null }
}

/** Resolves once the stream took it; to the error when it did not. The stream needs an `error` listener of its own. */
function write(stream: OutputStream, content: string | Uint8Array): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => stream.write(content, (error) => resolve(error ?? undefined)))
}

/** The reader of a pipe closed it. */
function isBrokenPipe({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED'
}

/** What is redirected into a file that cannot take it must not pass for whole. */
function outputLost(cause: NodeJS.ErrnoException): KeelstateError {
  const full = cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
  return new KeelstateError(full ? 'NoSpace' : 'Unavailable', {
    message: `Standard output could not be written (${cause.code}); what is there is not whole.`,
    details: { status: cause.code ?? 'unknown' },
    cause,
  })
}
