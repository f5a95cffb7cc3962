// The simulation and the code that it runs, in one file, as it is or with single rules taken out of it.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * @param patches `{ file, from, to }`: in `src/<file>`, the one place that reads `from` reads `to` instead. Nothing of this is in what is shipped.
 * @returns `url` of the module, and `remove`.
 */
export async function bundleSimulation(patches) {
  const folder = await mkdtemp(join(tmpdir(), 'keelstate-simulation-'))
  const outfile = join(folder, 'simulation.mjs')
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: ['test/simulation/programs/catalogue.ts'],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'error',
      plugins: [withoutSdks, patching(patches)],
    })
  } catch (error) {
    await remove()
    throw error
  }
  return { url: pathToFileURL(outfile).href, remove }
}

/** Packages that are imported when they are used, and never are here. */
const withoutSdks = {
  name: 'without SDKs',
  setup(context) {
    context.onResolve({ filter: /^[^./]/ }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    )
  },
}

function patching(patches) {
  const files = new Map(patches.map(({ file }) => [join(ROOT, 'src', file), file]))
  return {
    name: 'patches',
    setup(context) {
      context.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = files.get(path)
        if (file === undefined) return undefined
        let contents = await readFile(path, 'utf8')
        for (const { from, to } of patches.filter((patch) => patch.file === file)) {
          const parts = contents.split(from)
          if (parts.length !== 2)
            throw new Error(
              `src/${file} has ${parts.length - 1} places that read ${JSON.stringify(from)}; one is needed`,
            )
          contents = parts.join(to)
        }
        return { contents, loader: 'ts' }
      })
    },
  }
}
