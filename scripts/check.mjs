// `npm run check`: what has to hold before a commit. What reads the sources runs side by side, then the package is looked at as it would be published,
// then the fast tests run. Each step prints its time, and one that fails what it has to say.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { stage } from './stages.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Command lines; npm puts what is installed on the path. Those in one row do not depend on one another. */
const STEPS = [
  ['npm run --silent build', 'tsc -p tsconfig.json', 'npm run --silent lint'],
  ['npm run --silent lint:package'],
  ['vitest run --project fast'],
]

for (const row of STEPS) {
  const ended = await Promise.allSettled(row.map((command) => stage(command, () => run(command, row === STEPS.at(-1)))))
  const failures = ended.filter(({ status }) => status === 'rejected')
  for (const { reason } of failures) process.stderr.write(`\n${reason.message}\n`)
  if (failures.length > 0) process.exit(1)
}

/** Runs a command line; its output is shown as it comes, or kept for the error. */
function run(command, shown) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { cwd: ROOT, shell: true, stdio: shown ? 'inherit' : ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (said += chunk))
    child.once('error', reject)
    child.once('close', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${code ?? signal}\n${said}`)),
    )
  })
}
