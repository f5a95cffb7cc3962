import { writeFile } from 'node:fs/promises'
import { type Disk, systemDisk } from '../../src/file/disk.ts'
import { parseFileStoreOptions } from '../../src/file/options.ts'
import { FolderStore } from '../../src/file/store.ts'

export type StepName = keyof Disk

/** The system's disk with `around` put around each of its steps; `n` counts the steps from 0. */
export function diskWith(
  around: (
    step: { n: number; name: StepName; args: readonly unknown[] },
    run: () => Promise<unknown>,
  ) => Promise<unknown>,
): Disk {
  let steps = 0
  const wrapped = Object.entries(systemDisk).map(([name, method]) => [
    name,
    (...args: unknown[]) => {
      const step = { n: steps, name: name as StepName, args }
      steps += 1
      return around(step, () => (method as (...args: unknown[]) => Promise<unknown>)(...args))
    },
  ])
  return Object.fromEntries(wrapped) as Disk
}

/** An error as the platform makes them. */
export function platformError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code })
}

/** What happens at the failing step: nothing, the step though it reports a failure, or half of what was to be written. */
export type FaultMode = 'not done' | 'done' | 'half done'

/** A disk on which step number `at` fails with `errno`; with `dead`, every later one too, as for a process that was killed. */
export function failingDisk(at: number, mode: FaultMode, errno: string, dead: boolean): Disk {
  return diskWith(async ({ n, name, args }, run) => {
    if (n > at && dead) throw platformError('EIO')
    if (n !== at) return await run()
    if (mode === 'done') await run()
    if (mode === 'half done' && name === 'writeFile') {
      const bytes = args[1] as Uint8Array
      await writeFile(args[0] as string, bytes.subarray(0, bytes.length / 2))
    }
    throw platformError(errno)
  })
}

/** A disk whose steps each wait for `before`. */
export function steppedDisk(before: (n: number, name: StepName) => Promise<void>): Disk {
  return diskWith(async ({ n, name }, run) => {
    await before(n, name)
    return await run()
  })
}

export function storeOn(
  root: string,
  disk: Disk = systemDisk,
  options: { maxBytes?: number; leftoverAgeMs?: number } = {},
): FolderStore {
  return new FolderStore(parseFileStoreOptions({ root, ...options }), disk)
}
