// What a process pays before its first request: CPU of loading the library and opening a folder, beside that of importing an SDK.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { median } from './measure.mjs'

const REPORT = 'const { user, system } = process.cpuUsage(); process.stdout.write(String((user + system) / 1000))'

const OPEN =
  "const { openStore } = await import('keelstate'); await openStore({ store: 'file:./none', keys: 'plaintext' })"

export async function start({ starts, slack }) {
  const bare = cpuOf('0', starts)
  const library = cpuOf(OPEN, starts) - bare
  const sdk = cpuOf("await import('@aws-sdk/client-s3')", starts) - bare
  return [
    { name: 'opening a folder ÷ importing client-s3', unit: 'ratio', measured: library / sdk, limit: 1.25 * slack },
  ]
}

function cpuOf(statement, starts) {
  const times = Array.from({ length: starts }, () => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', `${statement};${REPORT}`],
      { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' },
    )
    if (status !== 0) throw new Error(stderr)
    return Number(stdout)
  })
  return median(times)
}
