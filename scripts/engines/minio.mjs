// MinIO, built from its last public source (the project publishes no binaries to a package registry and archived its repository).
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { goProgram } from './go.mjs'
import { launch } from './process.mjs'

const VERSION = 'v0.0.0-20260212201848-7aac2a2c5b7c'
const credentials = { accessKeyId: 'keelstate-test', secretAccessKey: 'keelstate-test-secret' }

function install() {
  const source = { module: 'github.com/minio/minio', version: VERSION, worksWith: ['--version'], needs: '1.24' }
  return goProgram('minio', source)
}

async function start() {
  const command = await install()
  return launch('minio', ({ port, folder }) => {
    const data = join(folder, 'data')
    mkdirSync(data)
    return {
      command,
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
