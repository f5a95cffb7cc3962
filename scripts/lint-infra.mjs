// `node scripts/lint-infra.mjs`: the template of infra/aws through cfn-lint, which is installed from PyPI beside the engines of the tests.
// Anything that it says, a mere hint included, fails.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { installed } from './engines/cache.mjs'
import { interrupted, run, say } from './engines/process.mjs'
import { findPython, pipInstall, pythonOf } from './engines/python.mjs'
import { stage } from './stages.mjs'

const REQUIREMENTS = fileURLToPath(new URL('./engines/cfn-lint-requirements.txt', import.meta.url))
const TEMPLATE = fileURLToPath(new URL('../infra/aws/keelstate.yaml', import.meta.url))
const INSTALL_LIMIT_MS = 10 * 60_000

try {
  const venv = await stage('cfn-lint: install', install)
  await stage('cfn-lint: infra/aws/keelstate.yaml', () => cfnLint(venv, '--include-checks', 'I', '--', TEMPLATE))
} catch (error) {
  say(error.message)
  process.exitCode = interrupted.aborted ? 130 : 1
}

function install() {
  const pins = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  return installed(`cfn-lint-${pins}`, {
    works: (folder) => cfnLint(folder, '--version'),
    needs: () => findPython({ minor: 11, variable: 'CFN_LINT_PYTHON', purpose: 'cfn-lint' }),
    build: async (folder, base) => {
      await run(base, ['-m', 'venv', folder])
      await run(pythonOf(folder), pipInstall(REQUIREMENTS), { timeoutMs: INSTALL_LIMIT_MS })
    },
  })
}

function cfnLint(venv, ...args) {
  // The venv's own command names the folder in which it was built.
  const main = 'import sys; from cfnlint.runner import main; sys.exit(main())'
  return run(pythonOf(venv), ['-c', main, ...args], { timeoutMs: 120_000 })
}
