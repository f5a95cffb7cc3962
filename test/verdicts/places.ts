import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileStore } from '../../src/file/index.ts'
import { gcsStore } from '../../src/gcs/index.ts'
import type { ObjectStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { faultyStore, startGcsServer, startS3Server, type VerdictPlace } from '../../src/testing/index.ts'

/** A place in this process: faults act between the mechanism and the driver. */
export function inProcess(direct: ObjectStore, through: ObjectStore): VerdictPlace {
  const faulty = faultyStore(through)
  return {
    through: faulty,
    direct,
    faults: faulty.faults,
    settled: () => faulty.settled(),
    async close() {
      await faulty.close()
      await direct.close()
    },
  }
}

export function memoryPlace(): VerdictPlace {
  const bucket = new MemoryBucket()
  return inProcess(memoryStore({ bucket }), memoryStore({ bucket }))
}

export async function filePlace(): Promise<VerdictPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'keelstate-verdicts-'))
  const root = join(folder, 'store')
  const direct = fileStore({ root })
  await direct.prepare()
  const place = inProcess(direct, fileStore({ root }))
  return {
    ...place,
    async close() {
      await place.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The S3 driver and the real SDK, before a strict fixture server that makes the faults. */
export async function s3FixturePlace(): Promise<VerdictPlace> {
  const server = await startS3Server()
  server.createBucket('state', { versioning: 'enabled' })
  const { endpoint, region, credentials } = server.clientConfig
  const open = () => s3Store({ bucket: 'state', prefix: 'a/prefix', endpoint, region, credentials })
  const [through, direct] = [open(), open()]
  return {
    through,
    direct,
    faults: server.faults,
    settled: () => server.settled(),
    async close() {
      await Promise.all([through.close(), direct.close()])
      await server.close()
    },
  }
}

/** The GCS driver and the real client, before a strict fixture server that makes the faults. */
export async function gcsFixturePlace(): Promise<VerdictPlace> {
  const server = await startGcsServer()
  server.createBucket('state', { versioning: true })
  const open = () => gcsStore({ ...server.clientConfig, bucket: 'state', prefix: 'a/prefix' })
  const [through, direct] = [open(), open()]
  return {
    through,
    direct,
    faults: server.faults,
    settled: () => server.settled(),
    async close() {
      await Promise.all([through.close(), direct.close()])
      await server.close()
    },
  }
}
