import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../../bin/keelstate.cjs', import.meta.url))

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** A process of the installed command that is still running. */
export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

/** A folder in which the command runs as it is installed: `bin/keelstate.cjs` in processes of its own. */
export class ProcessWorkspace {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'keelstate-processes-'))
  readonly env: NodeJS.ProcessEnv

  constructor(env: Record<string, string> = {}) {
    this.env = { PATH: process.env.PATH, HOME: this.folder, ...env }
  }

  run(args: readonly string[], input = ''): Ended {
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
      cwd: this.folder,
      env: this.env,
      input,
      encoding: 'utf8',
    })
    return { code: status, stdout, stderr }
  }

  ok(args: readonly string[], input = ''): string {
    const { code, stdout, stderr } = this.run(args, input)
    if (code !== 0) throw new Error(`keelstate ${args.join(' ')} ended with ${code}: ${stderr}`)
    return stdout
  }

  start(args: readonly string[], input = ''): Running {
    const child = spawn(process.execPath, [bin, ...args], { cwd: this.folder, env: this.env })
    const texts = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => (texts[name] += chunk.toString()))
    child.stdin.on('error', () => {}) // a process that ended without reading
    child.stdin.end(input)
    return { child, ended: once(child, 'close').then(() => ({ code: child.exitCode, ...texts })) }
  }

  /** A shell script that finds the command as `keelstate`. */
  script(name: string, text: string): string {
    const file = join(this.folder, name)
    const head = `#!/bin/sh\nkeelstate() { "${process.execPath}" "${bin}" "$@"; }\n`
    writeFileSync(file, head + text, { mode: 0o755 })
    return file
  }

  read(file: string): string {
    try {
      return readFileSync(join(this.folder, file), 'utf8')
    } catch {
      return ''
    }
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.folder, file), text)
  }

  /** Resolves once a file holds a text. */
  async says(file: string, text: string): Promise<void> {
    for (const end = Date.now() + 60_000; !this.read(file).includes(text); ) {
      if (Date.now() > end) throw new Error(`${file} does not say "${text}" but "${this.read(file)}"`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
