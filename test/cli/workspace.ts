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
  /** The object of a successful `--json`, or the last line of stderr of one that failed. */
  // biome-ignore lint/suspicious/noExplicitAny: each test knows its command's members, and the schema has checked them
  json: any
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
    const ran = { code, bytes, stdout: bytes.toString(), stderr: String(stderr.read() ?? ''), json: undefined }
    this.printed += ran.stdout + ran.stderr
    return args.includes('--json') ? { ...ran, json: checkedJson(args, ran) } : ran
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
function checkedJson(args: readonly string[], ran: Omit<Ran, 'json'>): unknown {
  if (ran.code === 0) {
    const json = JSON.parse(ran.stdout) as { schema: string }
    const words = args.flatMap((arg, i) => [`${arg} ${args[i + 1]}`, arg])
    const command = words.find((word) => Object.hasOwn(OUTPUTS, word))!
    expect(json.schema).toBe(`keelstate.${command.replaceAll(' ', '-')}/1`)
    OUTPUTS[command]!.parse(json)
    return json
  }
  expect(ran.stdout).toBe('')
  const json = JSON.parse(ran.stderr.trimEnd().split('\n').at(-1)!) as { report?: { schema: string } }
  FAILURE.parse(json)
  const reported = json.report && Object.values(OUTPUTS).find((schema) => schema.safeParse(json.report).success)
  expect(reported === undefined).toBe(json.report === undefined)
  return json
}
