// LocalStack 4.14.0, the last release that runs without a token, from PyPI and without Docker.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installed } from './cache.mjs'
import { firstThatRuns, launch, run, say } from './process.mjs'

const REQUIREMENTS = fileURLToPath(new URL('./localstack-requirements.txt', import.meta.url))
const MAIN = fileURLToPath(new URL('./localstack-main.py', import.meta.url))
const INSTALL_LIMIT_MS = 15 * 60_000

async function install() {
  const pins = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  return installed(`localstack-4.14.0-${pins}`, {
    works: (folder) => run(python(folder), ['-c', 'import localstack.services.s3.provider']),
    needs: findPython,
    build: async (folder, base) => {
      say(`localstack: installing with ${base}`)
      await run(base, ['-m', 'venv', folder])
      const pip = [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--no-deps',
        '--only-binary',
        ':all:',
      ]
      await run(python(folder), [...pip, '--requirement', REQUIREMENTS], { timeoutMs: INSTALL_LIMIT_MS })
    },
  })
}

function python(folder) {
  return join(folder, 'bin', 'python')
}

/** LocalStack 4.14.0 imports names that came with Python 3.13. */
async function findPython() {
  const named = process.env.LOCALSTACK_PYTHON
  const pyenv = join(process.env.PYENV_ROOT || join(homedir(), '.pyenv'), 'versions')
  const versions = existsSync(pyenv) ? readdirSync(pyenv).map((version) => join(pyenv, version, 'bin', 'python3')) : []
  const candidates = named
    ? [named]
    : ['python3', 'python3.13', 'python3.14', 'python3.15', '/usr/local/bin/python3', ...versions]
  const found = await firstThatRuns(candidates, [
    '-c',
    'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 13))',
  ])
  if (found !== undefined) return found
  throw new Error(
    named
      ? `LOCALSTACK_PYTHON names ${named}, which is not Python 3.13 or later with venv`
      : 'localstack needs Python 3.13 or later with venv; LOCALSTACK_PYTHON may name one',
  )
}

async function start() {
  const command = python(await install())
  return launch('localstack', ({ port, folder }) => ({
    command,
    args: [MAIN],
    env: {
      SERVICES: 's3',
      GATEWAY_LISTEN: `127.0.0.1:${port}`,
      LOCALSTACK_HOST: `127.0.0.1:${port}`,
      OVERRIDE_IN_DOCKER: '0', // in any container it takes itself for its own image
      FILESYSTEM_ROOT: folder,
      DISABLE_EVENTS: '1',
      SKIP_SSL_CERT_DOWNLOAD: '1',
      DNS_ADDRESS: '0',
      LS_LOG: 'warning',
    },
    health: '/_localstack/health',
  }))
}

/** Any credentials are accepted. */
const credentials = { accessKeyId: 'keelstate-test', secretAccessKey: 'keelstate-test-secret' }

export const localstack = { name: 'localstack', credentials, install, start }
