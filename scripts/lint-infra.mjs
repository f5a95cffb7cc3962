// `node scripts/lint-infra.mjs`: the template of infra/aws through cfn-lint, which is installed from PyPI beside the engines of the tests, and the module
// of infra/gcp through `terraform fmt`, or through HashiCorp's hclfmt, which is built with Go, where there is no Terraform.
// Anything that they say, a mere hint included, fails.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installed } from './engines/cache.mjs'
import { goProgram } from './engines/go.mjs'
import { firstThatRuns, interrupted, run, say } from './engines/process.mjs'
import { findPython, pipInstall, pythonOf } from './engines/python.mjs'
import { stage } from './stages.mjs'

const REQUIREMENTS = fileURLToPath(new URL('./engines/cfn-lint-requirements.txt', import.meta.url))
const TEMPLATE = fileURLToPath(new URL('../infra/aws/keelstate.yaml', import.meta.url))
const MODULE = fileURLToPath(new URL('../infra/gcp', import.meta.url))
const HCLFMT = {
  module: 'github.com/hashicorp/hcl/v2/cmd/hclfmt',
  version: 'v2.24.0',
  worksWith: ['-version'],
  needs: '1.24',
}
const INSTALL_LIMIT_MS = 10 * 60_000

try {
  const venv = await stage('cfn-lint: install', install)
  await stage('cfn-lint: infra/aws/keelstate.yaml', () => cfnLint(venv, '--include-checks', 'I', '--', TEMPLATE))
  await stage('terraform: infra/gcp', checkModule)
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

/** Syntax and format of the Terraform files, and what Terraform can work out without a provider. What they refer to is checked by test/infra. */
async function checkModule() {
  const terraform = await firstThatRuns([process.env.TERRAFORM, 'terraform'], ['version'])
  if (terraform === undefined) {
    say('no Terraform on PATH, and TERRAFORM names none: hclfmt looks at infra/gcp instead')
    const hclfmt = await goProgram('hclfmt', HCLFMT)
    const files = filesBelow(MODULE, '.tf')
    await run(hclfmt, ['-check', ...files])
    return run(hclfmt, ['-require-no-change', ...files])
  }
  await run(terraform, ['fmt', '-check', '-diff', '-recursive', MODULE])
  const folder = await mkdtemp(join(tmpdir(), 'keelstate-infra-'))
  try {
    for (const name of ['layout.yaml', 'locals.tf', 'variables.tf'])
      await copyFile(join(MODULE, name), join(folder, name))
    const given = {
      project: 'p',
      bucket: 'acme-state',
      location: 'EU',
      prefix: 'prod/eu',
      writers: '["user:a@acme.example"]',
    }
    const variables = Object.entries(given).map(([name, value]) => `-var=${name}=${value}`)
    await run(terraform, ['plan', '-input=false', '-lock=false', ...variables], { cwd: folder })
  } finally {
    await rm(folder, { recursive: true })
  }
}

function filesBelow(folder, ending) {
  return readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(folder, path))
}
