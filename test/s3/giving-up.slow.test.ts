import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ABSENT, HEAD, refusal, s3Bench } from '../clouds/bench.ts'

const bench = s3Bench()
beforeEach(() => bench.start())
afterEach(() => bench.stop())

describe('a service that is silent', () => {
  it('when it should take a connection ends the call with Timeout, and nothing was executed', async () => {
    // A listener that never accepts; two connections fill its queue, the kernel leaves the next ones waiting.
    const script = `const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(s.address().port)); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) })`
    const deaf = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const port = Number(await new Promise<Buffer>((resolve) => deaf.stdout.once('data', resolve)))
    const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await new Promise((resolve) => setTimeout(resolve, 200))
    try {
      const store = bench.open({ endpoint: `http://127.0.0.1:${port}`, connectTimeoutMs: 300 })
      const error = await refusal(store.put(HEAD, new Uint8Array(10), ABSENT), 'Timeout')
      expect(error.details.notExecuted).toBe(true)
    } finally {
      for (const filler of fillers) filler.destroy()
      deaf.kill('SIGKILL')
    }
  })
})
