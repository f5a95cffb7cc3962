import { join } from 'node:path'
import type { ObjectKey } from '../core/store.ts'
import type { Disk } from './disk.ts'
import { errnoOf, symlinkInStore } from './errors.ts'
import { decodeName, decodeSegment } from './paths.ts'

/** The file or folder of one object. */
export interface FoundLeaf {
  readonly key: ObjectKey
  readonly path: string
}

interface Child {
  /** The decoded segment, with a `/` when more segments follow. Children in the order of these are in the order of their keys. */
  readonly part: string
  readonly path: string
}

/**
 * The objects below `folder`, ascending by the UTF-8 bytes of their keys.
 *
 * What is not named as this driver names things is passed over; a link that is, is refused: an object must not vanish from a list because
 * its folder was replaced.
 *
 * @param prefix What the keys below begin with: empty, or with a `/` at its end.
 * @param after Keys up to and including this one are left out, and folders that hold no later one are not read.
 */
export async function* walk(
  disk: Disk,
  folder: string,
  prefix: string,
  after: Uint8Array | undefined,
): AsyncGenerator<FoundLeaf> {
  const children = await childrenOf(disk, folder, [])
  const sorted = children
    .map((child) => ({ ...child, key: Buffer.from(prefix + child.part) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
  for (const { part, path, key } of sorted) {
    const isFolder = part.endsWith('/')
    if (after !== undefined && Buffer.compare(key, after) <= 0) {
      const mayHoldLater = isFolder && Buffer.compare(key, after.subarray(0, key.length)) === 0
      if (!mayHoldLater) continue
    }
    if (isFolder) yield* walk(disk, path, prefix + part, after)
    else yield { key: prefix + part, path }
  }
}

/** The segments in a folder, those that go on in folders below included. `pieces` are the escaped texts on the way. */
async function childrenOf(disk: Disk, folder: string, pieces: readonly string[]): Promise<Child[]> {
  const children: Child[] = []
  for (const { name, kind } of await entriesOf(disk, folder)) {
    const decoded = decodeName(name)
    if (decoded === undefined) continue
    const path = join(folder, name)
    const { text, mark } = decoded
    if (kind === 'symlink') throw symlinkInStore(path)
    if (mark === 'continued') {
      if (kind === 'folder') children.push(...(await childrenOf(disk, path, [...pieces, text])))
      continue
    }
    const segment = decodeSegment([...pieces, text])
    if (segment === undefined) continue
    if (mark === 'leaf') children.push({ part: segment, path })
    else if (kind === 'folder') children.push({ part: `${segment}/`, path })
  }
  return children
}

async function entriesOf(disk: Disk, folder: string): ReturnType<Disk['entries']> {
  try {
    return await disk.entries(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}
