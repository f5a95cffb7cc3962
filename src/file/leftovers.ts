import { join } from 'node:path'
import type { Disk } from './disk.ts'
import { errnoOf } from './errors.ts'

/** Name of the folder where objects are prepared. `@` begins no name of a key, so it cannot meet one. */
export const TEMPORARY = '@tmp'

const CLAIMED = '.dead' // ends the name of a tree that a sweep has taken

/**
 * Removes what killed writers left in the folder of temporary files. Trees and files of objects that exist are elsewhere.
 *
 * Age only spares live writers the trouble; nothing rests on it. A file is safe to remove at any time: its writer links it whole or finds it gone.
 * A tree is taken by one rename first, so that its writer can no longer publish it, and is emptied after. A live writer
 * whose file is taken, however slow and whatever the clocks say, is refused before its atomic step and can start again.
 *
 * @param olderThanMs What is younger, by the clock and the file's time, stays.
 */
export async function sweepLeftovers(disk: Disk, temporary: string, nowMs: number, olderThanMs: number): Promise<void> {
  for (const { name } of await disk.entries(temporary)) {
    const path = join(temporary, name)
    try {
      const { kind, modifiedMs } = await disk.stat(path)
      if (nowMs - modifiedMs < olderThanMs) continue
      if (kind === 'folder') await removeClaimed(disk, path)
      else await disk.unlink(path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error // gone meanwhile: published, or swept by another
    }
  }
}

async function removeClaimed(disk: Disk, path: string): Promise<void> {
  const claimed = path.endsWith(CLAIMED) ? path : path + CLAIMED
  if (claimed !== path) await disk.rename(path, claimed)
  await disk.removeTree(claimed)
}
