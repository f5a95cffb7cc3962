// `npm run prove`: the full counts behind every promise. `.ci/run` runs the same with reduced counts.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { stage } from './stages.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FULL_COUNTS = { KEELSTATE_PROVE: '1' }
const SCRIPTS = [
  ['check', {}],
  ['test', FULL_COUNTS],
  ['test:engines', FULL_COUNTS],
  ['simulate', FULL_COUNTS],
  ['bench', {}],
]

try {
  for (const [script, environment] of SCRIPTS) await stage(`npm run ${script}`, () => npm(script, environment))
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}

function npm(script, environment) {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', script], {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`npm run ${script} ended with ${code ?? signal}`)),
    )
  })
}
