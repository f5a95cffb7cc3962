import type { ObjectStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { faultyStore, type VerdictPlace } from '../../src/testing/index.ts'

/** A place in process: faults act between the mechanism and the driver. */
export function inProcess(direct: ObjectStore, through: ObjectStore = direct): VerdictPlace {
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
