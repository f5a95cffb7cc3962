import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { expect } from 'vitest'
import type { Host } from '../../src/cli/host.ts'
import { main } from '../../src/cli/main.ts'
import { FAILURE, OUTPUTS } from '../../src/cli/schemas.ts'

export interface Ran {
  code: number
  /** Exactly what went to stdout. */
  bytes: Buffer
  stdout: string
  stderr: string
  /** The object of a successful `--json`, or the last line of stderr of one that failed; not there without it. */
  json: Answer
}

/**
 * The members of answers that tests look at, as the schemas have them. Which command has which, and with what in it, its schema has checked before a test
 * sees it; a member of another command's is `undefined`.
 */
export interface Answer {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string; readonly retry: string }
  readonly report: Answer

  readonly storeId: string
  readonly revision: Revision
  readonly revisions: readonly Revision[]
  readonly current: Revision
  readonly replaced: Revision
  readonly target: Revision
  readonly documents: readonly Named[]
  readonly entries: readonly { readonly address: string; readonly kind: string | null }[]
  readonly entry: { readonly outputs: Readonly<Record<string, unknown>> }
  readonly lock: Held
  readonly broken: Held
  readonly locks: readonly (Named & Held)[]
  readonly settings: readonly Named[]
  readonly labels: Readonly<Record<string, string>>
  readonly changes: readonly unknown[]
  readonly findings: readonly unknown[]
  readonly saves: readonly { readonly outcome: string }[]
  readonly names: readonly string[]
  readonly stacks: readonly { readonly imported: readonly string[] }[]
  readonly unreadable: readonly unknown[]
  readonly configuration: unknown
  readonly contentBase64: string
  readonly deleted: unknown
  readonly epoch: string
  readonly file: string
  readonly more: boolean
  readonly ok: boolean
  readonly schema: string
  readonly snapshot: unknown
  readonly type: string
}

interface Revision {
  readonly id: string
  readonly at: string
  readonly number: number
  readonly by: string
  readonly bytes: number
  readonly labels: readonly string[]
  readonly message: string
  readonly type: string
}

interface Named {
  readonly name: string
}

interface Held {
  readonly owner: string
}

export interface RunOptions {
  input?: string | Uint8Array | Readable
  env?: Record<string, string>
  /** Somebody sits at the terminal, and types this when asked. */
  typed?: string
  signal?: AbortSignal
  relaySignals?: Host['relaySignals']
  cwd?: string
}

/** A folder to run command lines in, within this process; every `--json` answer is held to its schema. */
export class Workspace {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'keelstate-cli-'))
  /** Everything that any command has printed here. */
  printed = ''

  async run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const stdout = new PassThrough({ highWaterMark: 2 ** 30 })
    const stderr = new PassThrough({ highWaterMark: 2 ** 30 })
    const terminal = options.typed === undefined ? {} : { isTTY: true }
    const { input = '' } = options
    const stdin = input instanceof Readable ? input : Readable.from(input.length === 0 ? [] : [Buffer.from(input)])
    const keyboard = new PassThrough()
    keyboard.write(`${options.typed}\n`)
    const code = await main(args, {
      env: options.env ?? {},
      cwd: options.cwd ?? this.folder,
      stdin: Object.assign(options.typed === undefined ? stdin : keyboard, terminal),
      stdout: Object.assign(stdout, terminal),
      stderr: Object.assign(stderr, terminal),
      signal: options.signal ?? new AbortController().signal,
      relaySignals: options.relaySignals ?? (() => () => {}),
    })
    const bytes = (stdout.read() as Buffer | null) ?? Buffer.alloc(0)
    const ran = { code, bytes, stdout: bytes.toString(), stderr: String(stderr.read() ?? '') }
    this.printed += ran.stdout + ran.stderr
    return (args.includes('--json') ? { ...ran, json: checkedJson(args, ran) } : ran) as Ran
  }

  /** Runs a command that must succeed. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const ran = await this.run(args, options)
    expect(ran.code, `${args.join(' ')}\n${ran.stderr}`).toBe(0)
    return ran
  }

  /** A store in a folder with a key of its own, as `init` makes it. */
  static async initialised(): Promise<Workspace> {
    const workspace = new Workspace()
    await workspace.ok(['init', '--store', 'file:./state', '--new-key', 'state.key'])
    return workspace
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  write(file: string, content: string | Uint8Array): void {
    writeFileSync(this.path(file), content)
  }

  read(file: string): Buffer {
    return readFileSync(this.path(file))
  }

  /** Every file of the store with its content: equal before and after a command that wrote nothing. */
  stored(): Record<string, string> {
    const files = (readdirSync(this.path('state'), { recursive: true }) as string[]).sort()
    const regular = files.filter((file) => statSync(this.path('state', file)).isFile())
    return Object.fromEntries(regular.map((file) => [file, this.read(join('state', file)).toString('base64')]))
  }

  /** The same without locks, whose records also change when nothing else does. */
  documents(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.stored()).filter(([file]) => !file.startsWith('locks/')))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** `--json`: one object on stdout, or nothing there and an object as the last line of stderr. */
function checkedJson(args: readonly string[], ran: Omit<Ran, 'json'>): Answer {
  if (ran.code === 0) {
    const json = JSON.parse(ran.stdout) as Answer
    const words = args.flatMap((arg, i) => [`${arg} ${args[i + 1]}`, arg])
    const command = words.find((word) => Object.hasOwn(OUTPUTS, word))!
    expect(json.schema).toBe(`keelstate.${command.replaceAll(' ', '-')}/1`)
    OUTPUTS[command]!.parse(json)
    return json
  }
  expect(ran.stdout).toBe('')
  const json = JSON.parse(ran.stderr.trimEnd().split('\n').at(-1)!) as Answer
  FAILURE.parse(json)
  const reported = json.report && Object.values(OUTPUTS).find((schema) => schema.safeParse(json.report).success)
  expect(reported === undefined).toBe(json.report === undefined)
  return json
}
