// Engines that are built from the source of a Go module. Go checks every module against its public checksum database.
import { join } from 'node:path'
import { installed } from './cache.mjs'
import { firstThatRuns, run, say } from './process.mjs'

const BUILD_LIMIT_MS = 30 * 60_000

/**
 * Resolves to the path of the program `name` of `module` at `version`, and builds it when it is not there yet.
 *
 * @param worksWith arguments with which the program ends at once, and well
 * @param needs the oldest Go that builds it
 */
export async function goProgram(name, { module, version, worksWith, needs }) {
  const folder = await installed(`${name}-${version}`, {
    works: (where) => run(join(where, name), worksWith),
    needs: () => findGo(name, needs),
    build: async (where, go) => {
      say(`${name}: building ${version}, which takes a few minutes the first time`)
      const env = { GOBIN: where, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' }
      await run(go, ['install', '-trimpath', `${module}@${version}`], { env, timeoutMs: BUILD_LIMIT_MS })
    },
  })
  return join(folder, name)
}

async function findGo(name, oldest) {
  const go = await firstThatRuns(['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go'], ['version'])
  if (go === undefined)
    throw new Error(`${name} is built from source and needs Go ${oldest} or later on PATH (https://go.dev/dl)`)
  return go
}
