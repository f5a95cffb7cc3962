import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileStore } from '../../src/file/index.ts'
import type { ObjectStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { faultyStore, type VerdictPlace } from '../../src/testing/index.ts'
import { type Cloud, cloudOf } from '../clouds.ts'

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

/** The driver and the real client of a cloud, before a strict fixture server that makes the faults. */
export async function cloudPlace(scheme: Cloud['scheme']): Promise<VerdictPlace> {
  const { server, open, close } = await cloudOf(scheme).start({ versioning: true })
  const [through, direct] = [open(), open()]
  return {
    through,
    direct,
    faults: server.faults,
    settled: () => server.settled(),
    async close() {
      await Promise.all([through.close(), direct.close()])
      await close()
    },
  }
}
