import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Environment } from '../src/core/environment.ts'
import { type Encrypter, envKey, noop } from '../src/deployments/index.ts'

/** One tree as the original's own local back end left it. test/vectors/README.md */
export interface LayoutCase {
  id: 'noop' | 'env-key'
  root: string
  factory: string
  stack: string
  key_b64?: string
  written: string[]
  current: string
  plain: { rev: string; plain: string }[]
}

const file = new URL('vectors/layout-000.json', import.meta.url)
const files = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
const bytes = (path: string) => Buffer.from(files[path]!, 'base64')

export const LAYOUT: readonly LayoutCase[] = (JSON.parse(bytes('index.json').toString()) as { cases: LayoutCase[] })
  .cases

/** The files of one tree by their path below its root, without the lock: that is its holder's. */
export function layoutFiles({ root }: LayoutCase): Record<string, Buffer> {
  const prefix = `${root}/`
  const paths = Object.keys(files).filter((path) => path.startsWith(prefix) && !path.endsWith('/lock'))
  return Object.fromEntries(paths.map((path) => [path.slice(prefix.length), bytes(path)]))
}

/** The encrypter that the tree was written with. It encrypts with the nonces that stand in the tree, oldest revision first. */
export function layoutEncrypter(one: LayoutCase): Encrypter {
  if (one.key_b64 === undefined) return noop
  const folder = `${one.root}/${one.factory}/${one.stack}/snapshots`
  const nonces = one.written.map((rev) => bytes(`${folder}/${rev}.json.enc`).subarray(0, 12))
  const environment: Pick<Environment, 'randomBytes'> = { randomBytes: () => nonces.shift()! }
  return envKey('UB_STATE_KEY', { variables: { UB_STATE_KEY: one.key_b64 }, environment })
}

/** A temporary folder that holds trees, as on disk. */
export class Trees {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'keelstate-trees-'))

  /** Writes the files of a tree, its lock included, and returns its root. */
  original(one: LayoutCase): string {
    const root = join(this.folder, one.root)
    for (const path of Object.keys(files).filter((name) => name.startsWith(`${one.root}/`))) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true })
      writeFileSync(join(this.folder, path), bytes(path), { mode: 0o600 })
    }
    return root
  }

  /** All files below a folder of this one, by path. */
  read(root: string): Record<string, Buffer> {
    const paths = (readdirSync(root, { recursive: true }) as string[]).sort()
    const regular = paths.filter((path) => statSync(join(root, path)).isFile())
    return Object.fromEntries(regular.map((path) => [path.replaceAll('\\', '/'), readFileSync(join(root, path))]))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
