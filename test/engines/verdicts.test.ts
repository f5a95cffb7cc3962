import { randomBytes } from 'node:crypto'
import { describe, it } from 'vitest'
import { registerSuite, testVerdicts, type VerdictPlace } from '../../src/testing/index.ts'
import { reportCounts } from '../counts.ts'
import { options, reduced } from '../verdicts/reduced.ts'
import { type StoreEngine, startProxyBefore, storeEngines } from './stores.ts'

reportCounts(import.meta.filename, { 'writes of others': options.others! })

const ATTEMPT_MS = 600 // engines take their time

for (const engine of storeEngines) {
  const open = () => enginePlace(engine)
  registerSuite(
    reduced(testVerdicts({ name: `${engine.name}, behind the proxy`, open }, { ...options, attemptMs: ATTEMPT_MS })),
    {
      describe,
      it: it.concurrent,
    },
  )
}

/** The driver and the service's real client before a real engine, and between them the proxy that makes the faults. */
async function enginePlace(engine: StoreEngine): Promise<VerdictPlace> {
  const proxy = await startProxyBefore(engine)
  const bucket = await engine.newBucket({ versioning: true })
  const prefix = randomBytes(8).toString('hex')
  const through = engine.open({ bucket, prefix, endpoint: proxy.endpoint })
  const direct = engine.open({ bucket, prefix })
  return {
    through,
    direct,
    faults: proxy.faults,
    settled: () => proxy.settled(),
    async close() {
      await Promise.all([through.close(), direct.close()])
      await proxy.close()
    },
  }
}
