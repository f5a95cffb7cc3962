// MinIO, built from its last public source (the project publishes no binaries to a package registry and archived its repository).
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { installed } from './cache.mjs'
import { findGo } from './go.mjs'
import { launch, run, say } from './process.mjs'

const VERSION = 'v0.0.0-20260212201848-7aac2a2c5b7c'
const BUILD_LIMIT_MS = 30 * 60_000
const credentials = { accessKeyId: 'keelstate-test', secretAccessKey: 'keelstate-test-secret' }

async function install() {
  return installed(`minio-${VERSION}`, {
    works: (folder) => run(join(folder, 'minio'), ['--version']),
    needs: () => findGo('minio, which is built from source,'),
    build: async (folder, go) => {
      say(`minio: building ${VERSION}, which takes a few minutes the first time`)
      const env = { GOBIN: folder, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' }
      await run(go, ['install', '-trimpath', `github.com/minio/minio@${VERSION}`], { env, timeoutMs: BUILD_LIMIT_MS })
    },
  })
}

async function start() {
  const binary = join(await install(), 'minio')
  return launch('minio', ({ port, folder }) => {
    const data = join(folder, 'data')
    mkdirSync(data)
    return {
      command: binary,
      args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, data],
      env: {
        MINIO_ROOT_USER: credentials.accessKeyId,
        MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
        MINIO_KMS_SECRET_KEY: `keelstate-test:${Buffer.alloc(32, 1).toString('base64')}`, // SSE-S3 needs one
        MINIO_BROWSER: 'off', // else the console listens on a second port, on all interfaces
        MINIO_UPDATE: 'off',
        MINIO_CI_CD: '1', // a data folder on the root disk is fine
      },
      health: '/minio/health/live',
    }
  })
}

export const minio = { name: 'minio', credentials, install, start }
