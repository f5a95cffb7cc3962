import { randomBytes } from 'node:crypto'
import { describe, it } from 'vitest'
import { s3Store } from '../../src/s3/index.ts'
import { registerSuite, startFaultProxy, testVerdicts, type VerdictPlace } from '../../src/testing/index.ts'
import { options, reduced } from '../verdicts/reduced.ts'
import { type EngineUnderTest, engines } from './engines.ts'

for (const engine of engines) {
  const open = () => enginePlace(engine)
  registerSuite(reduced(testVerdicts({ name: `s3 on ${engine.name}, behind the proxy`, open }, options)), {
    describe,
    it: it.concurrent,
  })
}

/** The S3 driver and the real SDK before a real engine, and between them the proxy that makes the faults. */
async function enginePlace(engine: EngineUnderTest): Promise<VerdictPlace> {
  const { region, credentials } = engine
  const proxy = await startFaultProxy(engine.endpoint)
  const bucket = await engine.newBucket({ versioning: true })
  const prefix = randomBytes(8).toString('hex')
  const through = s3Store({ bucket, prefix, endpoint: proxy.endpoint, region, credentials })
  const direct = s3Store({ bucket, prefix, endpoint: engine.endpoint, region, credentials })
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
