import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

/** Where every package is installed. */
export const repository: string = join(import.meta.dirname, '..')

/** A folder from which no package is found. */
export async function elsewhere(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'keelstate-no-packages-'))
  return { folder, remove: () => rm(folder, { recursive: true }) }
}

/** Runs `code` in a process of its own, with what it imports of ours bundled in, and the packages of `external` left to be found from `folder`. */
export async function runBundled(
  code: string,
  { external, folder, env }: { external: string[]; folder: string; env: NodeJS.ProcessEnv },
): Promise<{ stdout: string; stderr: string }> {
  const bundle = await build({
    stdin: { contents: code, resolveDir: repository, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    external,
  })
  const running = promisify(execFile)(process.execPath, ['--input-type=module'], { cwd: folder, env })
  running.child.stdin?.end(bundle.outputFiles[0]!.text)
  return running
}
