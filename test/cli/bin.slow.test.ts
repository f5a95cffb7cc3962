import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// The command as it is installed: bin/keelstate.cjs and the built files in dist.
const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(root, 'bin', 'keelstate.cjs')
const folder = mkdtempSync(join(tmpdir(), 'keelstate-bin-'))
const env = { PATH: process.env.PATH, HOME: folder }

const run = (args: string[], input = '', node: string[] = []) =>
  spawnSync(process.execPath, [...node, bin, ...args], { cwd: folder, env, input, encoding: 'utf8' })

beforeAll(() => {
  expect(run(['init', '--store', 'file:./state', '--new-key', 'state.key']).stderr).toContain('made a store')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('bin/keelstate.cjs', () => {
  it('is a command that keeps data on stdout and talk on stderr', () => {
    const pushed = run(['push', 'shop/prod', '-'], '{"a":1}')
    expect([pushed.status, pushed.stdout]).toEqual([0, ''])
    expect(pushed.stderr).toMatch(/^pushed shop\/prod \(json, 7 B\) as @1 /)
    const pulled = run(['pull', 'shop/prod'])
    expect([pulled.status, pulled.stdout]).toEqual([0, '{"a":1}'])
  })

  it.each(['v0.10.48', 'v18.20.4', 'v20.18.3'])(
    'tells Node %s what it needs, in a syntax that Node can read',
    (version) => {
      const faked = join(folder, 'fake-version.cjs')
      writeFileSync(faked, `Object.defineProperty(process, 'version', { value: '${version}' })`)
      const { status, stdout, stderr } = run(['--version'], '', ['-r', faked])
      expect([status, stdout, stderr]).toEqual([2, '', `keelstate needs Node ≥ 20.19, this is ${version.slice(1)}\n`])
      const source = readFileSync(bin, 'utf8').replace(/^#!.*\n|\/\/.*$/gm, '')
      expect(source).not.toMatch(/=>|\b(?:let|const|import|async|await|class)\b|`|\?\.|\?\?/)
    },
  )

  it('ends quietly when the reader of its output went away', () => {
    writeFileSync(join(folder, 'big'), Buffer.alloc(3_000_000, 'x'))
    expect(run(['push', 'big', 'big']).status).toBe(0)
    const script = `"$0" "$1" pull big 2>err | head -c 10; cat err >&2`
    const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, bin], {
      cwd: folder,
      env,
      encoding: 'utf8',
    })
    expect(stdout).toBe('xxxxxxxxxx')
    expect(stderr).not.toMatch(/EPIPE|error| {4}at /i)
  })

  it('fails when what it writes could not be kept, and not when only its talk is lost', () => {
    const shell = (script: string) =>
      spawnSync('sh', ['-c', script, process.execPath, bin], { cwd: folder, env, encoding: 'utf8' })
    const lost = shell('"$0" "$1" pull shop/prod --json > /dev/full')
    expect(lost.status).toBe(1)
    expect(JSON.parse(lost.stderr)).toMatchObject({ error: { code: 'NoSpace' } })
    expect(shell('"$0" "$1" --version > /dev/full').status).toBe(1)
    expect(shell('"$0" "$1" pull shop/prod 2> /dev/full')).toMatchObject({ status: 0, stdout: '{"a":1}' })
  })

  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s while it reads its input ends it with 130, and nothing is written',
    async (signal) => {
      const before = files()
      const child = spawn(process.execPath, [bin, 'push', 'interrupted', '-', '--json'], { cwd: folder, env })
      child.stdin.write('{"half":')
      await reading(child)
      child.kill(signal)
      const stderr = await text(child)
      expect(child.exitCode).toBe(130)
      expect(JSON.parse(stderr.trimEnd().split('\n').at(-1)!)).toMatchObject({ error: { code: 'Aborted' } })
      expect(files()).toEqual(before)
    },
  )
})

function files(): string[] {
  return (readdirSync(join(folder, 'state'), { recursive: true }) as string[]).sort()
}

/** Resolves once the child took what was written to its stdin: then its signal handlers are in place. */
async function reading(child: ChildProcess): Promise<void> {
  for (let filled = 0; filled < 200_000; filled += 1_000) {
    // A pipe holds 64 KiB: a write that drains beyond that was read by the child.
    if (!child.stdin!.write('x'.repeat(1_000))) await once(child.stdin!, 'drain')
  }
}

async function text(child: ChildProcess): Promise<string> {
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await once(child, 'close')
  return said
}
