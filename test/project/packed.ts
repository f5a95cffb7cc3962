import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './source-files.ts'

/** What `npm pack` made, from a build of its own: whatever else is being built in the repository does not matter. */
export interface Packed {
  readonly tarball: string
  /** Paths in the package, such as `dist/index.js`. */
  readonly files: readonly string[]
  /** Size of the tarball. */
  readonly bytes: number
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const LEFT_OUT = ['node_modules', 'dist', '.git']

/** A new folder in `base`, which is removed with everything in it when the tests are done. */
export function newFolder(base: string): string {
  return mkdtempSync(join(base, 'in-'))
}

export function newBase(): string {
  return mkdtempSync(join(tmpdir(), 'keelstate-package-'))
}

export async function pack(base: string): Promise<Packed> {
  const stage = newFolder(base)
  cpSync(ROOT, stage, { recursive: true, filter: (path) => !LEFT_OUT.includes(basename(path)) })
  symlinkSync(join(ROOT, 'node_modules'), join(stage, 'node_modules'))
  await must(npm(stage, 'run', 'build'))
  const { stdout } = await must(npm(stage, 'pack', '--json'))
  const answer: unknown = JSON.parse(stdout)
  const [packed] = Object.values(answer as Record<string, unknown>) as {
    filename: string
    size: number
    files: { path: string }[]
  }[]
  const { filename, files, size } = packed!
  return { tarball: join(stage, filename), files: files.map(({ path }) => path), bytes: size }
}

/** An empty project with the package in it, installed the way a user does. */
export async function install(base: string, tarball: string, ...flags: string[]): Promise<string> {
  const folder = newFolder(base)
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n')
  await must(npm(folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', ...flags, tarball))
  return folder
}

/** Compiles TypeScript in a project as a strict consumer would, with the libraries' declarations checked too. */
export async function compile(folder: string, sources: Readonly<Record<string, string>>): Promise<Ran> {
  mkdirSync(join(folder, 'source'), { recursive: true })
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, 'source', name), text)
  const options = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
    rootDir: 'source',
    outDir: 'compiled',
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: Object.keys(sources).map((name) => `source/${name}`) }),
  )
  return await run(folder, process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder])
}

/** Runs an ES module in a project. */
export async function evaluate(folder: string, code: string, env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return await run(folder, process.execPath, ['--input-type=module', '--eval', code], env)
}

/** Runs a program with the project's own commands on its path, and nothing of this test's settings around it. */
export async function run(
  folder: string,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_(?:package|lifecycle|config_local_prefix)|KEELSTATE_|AWS_|NODE_|VITEST|INIT_CWD)/.test(name),
  )
  const path = [join(folder, 'node_modules', '.bin'), process.env.PATH].join(delimiter)
  const options = {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), PATH: path, XDG_STATE_HOME: join(folder, '.state'), ...env },
    maxBuffer: 64 * 1024 * 1024,
  }
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, options)
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as Ran
    if (typeof code !== 'number') throw error
    return { code, stdout, stderr }
  }
}

/** The fenced blocks of a page that are in one language. */
export function codeBlocks(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, lang, code]) =>
    lang === language ? [code!] : [],
  )
}

async function npm(folder: string, ...args: string[]): Promise<Ran> {
  return await run(folder, 'npm', args)
}

async function must(running: Promise<Ran>): Promise<Ran> {
  const ran = await running
  if (ran.code !== 0) throw new Error(`exit code ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}
