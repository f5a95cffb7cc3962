// The engines of docker-compose.yml, in a project of their own and on ports that are free.
import { fileURLToPath } from 'node:url'
import { run } from './process.mjs'

const FILE = fileURLToPath(new URL('../../docker-compose.yml', import.meta.url))
const CONTAINER_PORTS = { localstack: 4566, minio: 9000, 'dynamodb-local': 8000, 'fake-gcs-server': 4443 }
const PULL_AND_START_LIMIT_MS = 10 * 60_000
const ANY_FREE_PORT = ''

/** Is there a Docker engine that answers, with compose? */
export async function composeAnswers() {
  try {
    await run('docker', ['version', '--format', '{{.Server.Version}}'], { timeoutMs: 10_000 })
    await run('docker', ['compose', 'version'], { timeoutMs: 10_000 })
    return true
  } catch {
    return false
  }
}

/** Starts one service and waits until it is healthy. Resolves to `{ endpoint, stop }`. */
export async function startWithCompose(name) {
  const project = ['compose', '--file', FILE, '--project-name', `keelstate-test-${name}-${process.pid}`]
  const env = {
    KEELSTATE_LOCALSTACK_PORT: ANY_FREE_PORT,
    KEELSTATE_MINIO_PORT: ANY_FREE_PORT,
    KEELSTATE_DYNAMODB_PORT: ANY_FREE_PORT,
    KEELSTATE_FAKE_GCS_PORT: ANY_FREE_PORT,
  }
  const compose = (args, options) => run('docker', [...project, ...args], { env, ...options })
  const stop = async () => {
    await compose(['down', '--volumes'], { signal: new AbortController().signal }) // interrupted or not
  }
  try {
    await compose(['up', '--detach', '--wait', name], { timeoutMs: PULL_AND_START_LIMIT_MS })
    const address = await compose(['port', name, String(CONTAINER_PORTS[name])])
    return { endpoint: `http://${address.trim()}`, stop }
  } catch (error) {
    await stop().catch(() => {})
    throw error
  }
}
