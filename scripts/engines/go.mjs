// Finding Go, for what is built from source.
import { firstThatRuns } from './process.mjs'

/** The command that runs Go, for `purpose`. */
export async function findGo(purpose) {
  const go = await firstThatRuns(['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go'], ['version'])
  if (go === undefined) throw new Error(`${purpose} needs Go 1.24 or later on PATH (https://go.dev/dl)`)
  return go
}
