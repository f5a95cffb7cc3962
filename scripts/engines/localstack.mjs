// LocalStack 4.14.0, the last release that runs without a token, from PyPI and without Docker: S3, DynamoDB, KMS and STS on one port.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installed } from './cache.mjs'
import { installedJars } from './dynamodb-local.mjs'
import { launch, run, say } from './process.mjs'
import { findPython, pipInstall, pythonOf } from './python.mjs'

const REQUIREMENTS = fileURLToPath(new URL('./localstack-requirements.txt', import.meta.url))
const MAIN = fileURLToPath(new URL('./localstack-main.py', import.meta.url))
const SETUP = fileURLToPath(new URL('../../infra/aws/localstack-setup.py', import.meta.url))
const TEMPLATE = fileURLToPath(new URL('../../infra/aws/keelstate.yaml', import.meta.url))
const INSTALL_LIMIT_MS = 15 * 60_000

async function install() {
  const pins = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  return installed(`localstack-4.14.0-${pins}`, {
    works: (folder) => run(pythonOf(folder), ['-c', 'import localstack.services.s3.provider']),
    // It imports names that came with Python 3.13.
    needs: () => findPython({ minor: 13, variable: 'LOCALSTACK_PYTHON', purpose: 'localstack' }),
    build: async (folder, base) => {
      say(`localstack: installing with ${base}`)
      await run(base, ['-m', 'venv', folder])
      await run(pythonOf(folder), pipInstall(REQUIREMENTS), { timeoutMs: INSTALL_LIMIT_MS })
    },
  })
}

async function start() {
  const jars = await installedJars()
  const command = pythonOf(await install())
  return launch('localstack', ({ port, folder }) => {
    layOutJava(join(folder, 'var/lib/localstack/lib'), jars)
    layOutSetup(join(folder, 'etc/localstack/init/ready.d'))
    return {
      command,
      args: [MAIN],
      env: {
        SERVICES: 's3,dynamodb,kms,sts',
        GATEWAY_LISTEN: `127.0.0.1:${port}`,
        LOCALSTACK_HOST: `127.0.0.1:${port}`,
        OVERRIDE_IN_DOCKER: '0', // in any container it takes itself for its own image
        FILESYSTEM_ROOT: folder,
        DYNAMODB_IN_MEMORY: '1',
        KEELSTATE_TEMPLATE: TEMPLATE,
        DISABLE_EVENTS: '1',
        SKIP_SSL_CERT_DOWNLOAD: '1',
        DNS_ADDRESS: '0',
        LS_LOG: 'warning',
      },
      health: '/_localstack/init/ready', // its hooks for when it is ready have run, and how
      isReady,
    }
  })
}

function isReady(answer) {
  if (!answer.startsWith('{')) return false // it does not serve its own pages yet
  const { completed, scripts } = JSON.parse(answer)
  const failed = scripts.filter(({ state }) => state === 'ERROR')
  if (failed.length > 0) throw new Error(`${failed.map(({ name }) => name)} failed`)
  return completed
}

/**
 * LocalStack would download DynamoDB Local, a Java and an agent that lifts a limit of indexes. What lies where it looks for them it takes instead:
 * the jars from npm, and a `java` that runs the one of this machine without the agent, and ends it with LocalStack, which leads it into a process
 * group of its own.
 */
function layOutJava(lib, { java, jars }) {
  const [dynamoDb, bin] = [join(lib, 'dynamodb-local/2'), join(lib, 'java/21/bin')]
  for (const folder of [dynamoDb, bin]) mkdirSync(folder, { recursive: true })
  for (const name of ['DynamoDBLocal.jar', 'DynamoDBLocal_lib']) symlinkSync(join(jars, name), join(dynamoDb, name))
  const withoutAgent = 'for a in "$@"; do shift; case $a in -javaagent:*) ;; *) set -- "$@" "$a" ;; esac; done'
  const real = `'${java.replaceAll("'", `'\\''`)}'`
  const script = `#!/bin/sh
${withoutAgent}
localstack=$PPID
${real} "$@" &
java=$!
trap 'kill "$java"' TERM INT
while kill -0 "$localstack" && kill -0 "$java"; do sleep 0.2; done 2>/dev/null
kill -s KILL "$java" 2>/dev/null
wait "$java"
`
  writeFileSync(join(bin, 'java'), script, { mode: 0o755 })
}

/** Its own hook for what is to be done when it is ready, as in its image. */
function layOutSetup(folder) {
  mkdirSync(folder, { recursive: true })
  symlinkSync(SETUP, join(folder, 'keelstate.py'))
}

/** Any credentials are accepted. */
const credentials = { accessKeyId: 'keelstate-test', secretAccessKey: 'keelstate-test-secret' }

export const localstack = { name: 'localstack', credentials, install, start }
