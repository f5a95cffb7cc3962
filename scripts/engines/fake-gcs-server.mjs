// fake-gcs-server, built from source: the JSON API of Google Cloud Storage, in memory. It takes requests with and without a token.
import { goProgram } from './go.mjs'
import { launch } from './process.mjs'

const VERSION = 'v1.56.1'

function install() {
  const module = 'github.com/fsouza/fake-gcs-server'
  return goProgram('fake-gcs-server', { module, version: VERSION, worksWith: ['-h'], needs: '1.26' })
}

async function start() {
  const command = await install()
  return launch('fake-gcs-server', ({ port }) => ({
    command,
    args: [
      ['-scheme', 'http'],
      ['-host', '127.0.0.1'],
      ['-port', `${port}`],
      ['-public-host', `127.0.0.1:${port}`],
      ['-backend', 'memory'],
      ['-log-level', 'warn'],
    ].flat(),
    health: '/_internal/healthcheck',
  }))
}

export const fakeGcsServer = { name: 'fake-gcs-server', install, start }
