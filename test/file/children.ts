import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { testFolder } from './folder.ts'

/** Bundles a TypeScript program into one file that any user may read and that plain Node runs. */
export async function program(source: URL): Promise<string> {
  const folder = await testFolder()
  await chmod(folder, 0o755)
  const outfile = join(folder, 'program.mjs')
  await build({
    entryPoints: [fileURLToPath(source)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  })
  await chmod(outfile, 0o644)
  return outfile
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts a process and collects what it prints. */
export function start(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout!.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr!.on('data', (chunk: Buffer) => err.push(chunk))
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    return { code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
  })
  return { child, ended }
}

/** Runs a process that has to succeed; resolves to what it printed. */
export async function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await start(command, args, options).ended
  if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}: ${stderr}`)
  return stdout
}
