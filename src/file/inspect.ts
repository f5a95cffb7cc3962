import { stat, statfs } from 'node:fs/promises'
import type { Finding } from '../core/inspection.ts'

/** Numbers by which Linux tells file systems: linux/include/uapi/linux/magic.h, the man page statfs(2), and what `stat -f` of coreutils calls remote. */
const NETWORK: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'SMB',
  4266872130: 'SMB',
  16914839: '9P',
  1397113167: 'AFS',
  1799439955: 'AFS',
  12805120: 'Ceph',
  198183888: 'Lustre',
  1196443219: 'GPFS',
  18225520: 'GFS2',
  1952539503: 'OCFS2',
  428016422: 'BeeGFS',
  1937076805: 'Coda',
  22092: 'NCP',
  2866260714: 'PanFS',
  3203391149: 'StorNext',
  1633904243: 'ACFS',
  537068840: 'OrangeFS',
  3133910204: 'VMware shared folder',
  2020557398: 'VirtualBox shared folder',
  2088527475: 'Parallels shared folder',
}
const FUSE = 0x65735546
const MEMORY: Readonly<Record<number, string>> = { 16914836: 'tmpfs', 2240043254: 'ramfs' }
const OVERLAY = 0x794c7630
const LITTLE = 1024 ** 3 // bytes

/** What a folder is, as the system says. */
export interface FolderFacts {
  readonly platform: NodeJS.Platform
  /** Number of the kind of file system. */
  readonly type: number
  readonly mode: number
  readonly owner: number
  /** Who asks; below 0 where that has no number. */
  readonly user: number
  readonly freeBytes: number
}

/** Looks at the file system that a store's folder lies on, and at who may write there. */
export async function* inspectFolder(root: string): AsyncGenerator<Finding> {
  const [{ mode, uid }, { type, bavail, bsize }] = await Promise.all([stat(root), statfs(root)])
  const { platform, getuid } = process
  yield* judgeFolder({ platform, type, mode, owner: uid, user: getuid?.() ?? -1, freeBytes: bavail * bsize }, root)
}

/** What follows from it. */
export function judgeFolder(facts: FolderFacts, root: string): Finding[] {
  return [fileSystem(facts), access(facts, root), room(facts)]
}

function fileSystem({ platform, type }: FolderFacts): Finding {
  const check = 'file-system'
  const warning = (says: string, todo: string): Finding => ({ check, verdict: 'warning', says, todo })
  if (platform !== 'linux') {
    const says = `What kind of file system it is cannot be told on ${platform}.`
    return { check, verdict: 'unknown', says, todo: 'Keep the store on a local disk.' }
  }
  const kind = type >>> 0
  const network = NETWORK[kind]
  if (network !== undefined) {
    return {
      check,
      verdict: 'unsafe',
      says: `The folder lies on a network file system (${network}).`,
      todo: 'A folder is a store for one machine. Use a local disk, or a bucket for several machines.',
    }
  }
  if (kind === FUSE) {
    return warning(
      'The folder lies on a file system of a program (FUSE), which may have a network behind it.',
      'Use a local disk: a bucket that is mounted has no atomic rename.',
    )
  }
  if (MEMORY[kind] !== undefined)
    return warning(
      `The folder lies in memory (${MEMORY[kind]}): it is gone after a restart.`,
      'Use a disk for what has to last.',
    )
  if (kind === OVERLAY)
    return warning(
      'The folder lies in a layer of a container, and may be gone with it.',
      'Mount a volume for what has to last.',
    )
  return { check, verdict: 'ok', says: 'The folder lies on a local disk.' }
}

function access({ mode, owner, user }: FolderFacts, root: string): Finding {
  const check = 'folder-access'
  const todo = `chmod 700 '${root}'`
  if ((mode & 0o022) !== 0)
    return { check, verdict: 'unsafe', says: 'Other users of this machine may write the folder.', todo }
  if (user >= 0 && owner !== user)
    return {
      check,
      verdict: 'warning',
      says: 'The folder belongs to another user.',
      todo: 'Give it to the user that works on it.',
    }
  if ((mode & 0o055) !== 0)
    return { check, verdict: 'warning', says: 'Other users of this machine may look into the folder.', todo }
  return { check, verdict: 'ok', says: 'Only its owner may read and write the folder.' }
}

function room({ freeBytes }: FolderFacts): Finding {
  const check = 'free-space'
  if (freeBytes >= LITTLE) return { check, verdict: 'ok', says: 'There is room left on the disk.' }
  return {
    check,
    verdict: 'warning',
    says: 'Less than 1 GiB is left on the disk.',
    todo: 'Make room: a full disk refuses writes.',
  }
}
