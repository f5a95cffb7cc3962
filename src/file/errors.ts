import { type ErrorCode, KeelstateError, printable } from '../core/errors.ts'

/**
 * How far a call had come when the platform refused.
 *
 * `before` the one step that makes a write visible its failure is definite; `after` it the outcome is not known. Of calls that are not
 * one write (reads, lists, deletes) nothing is said: `unjudged`.
 */
export type Stage = 'before' | 'after' | 'unjudged'

/** What the error is about. */
export interface FailedStep {
  readonly operation: string
  readonly key?: string | undefined
  /** The root folder, for the message. */
  readonly root: string
  readonly stage: Stage
}

interface Meaning {
  code: ErrorCode
  says: string
  hint?: string
}

const NO_PERMISSION: Meaning = {
  code: 'AccessDenied',
  says: 'permission was denied',
  hint: 'The user that runs this needs to own the folder and everything in it, or it is mounted read-only.',
}
const NO_ROOM: Meaning = {
  code: 'NoSpace',
  says: 'the disk or the quota is full',
  hint: 'Free some space and try again.',
}
const NOT_ABLE: Meaning = {
  code: 'Unsupported',
  says: 'the file system there lacks a step that a write needs (hard links, atomic renames or fsync of folders within one file system)',
  hint: 'Put the store on a local file system such as ext4, XFS, Btrfs or APFS.',
}
const SYMLINK: Meaning = {
  code: 'AccessDenied',
  says: 'a symbolic link lies in the way, and none is followed inside a store',
  hint: 'Only the root folder itself may be reached through links. Remove the link.',
}

/**
 * The platform's answers and what they mean here; https://man7.org/linux/man-pages/man3/errno.3.html.
 * Everything else is `Unavailable`: the disk or the network behind it did not do what it was asked.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: { ...NO_PERMISSION, says: 'the file system is read-only' },
  ENOSPC: NO_ROOM,
  EDQUOT: NO_ROOM,
  ELOOP: SYMLINK,
  EXDEV: NOT_ABLE,
  ENOSYS: NOT_ABLE,
  ENOTSUP: NOT_ABLE,
  EOPNOTSUPP: NOT_ABLE,
  EINVAL: NOT_ABLE,
  EMLINK: NOT_ABLE,
  EFBIG: { code: 'TooLarge', says: 'the file would exceed what the file system or the process limit allows' },
  ENOTDIR: {
    code: 'Corrupt',
    says: 'a file lies where the store keeps a folder',
    hint: 'Something other than keelstate changed the folder. Restore it from a backup, then run `keelstate verify`.',
  },
  ENAMETOOLONG: {
    code: 'InvalidName',
    says: 'the path is longer than the platform allows',
    hint: 'Use a shorter name, or a root folder nearer to /.',
  },
}

/** The errno name of an error of the platform, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Turns whatever a step threw into one of ours; ours pass through. */
export function fileError(error: unknown, step: FailedStep): KeelstateError {
  if (KeelstateError.is(error)) return error
  const errno = errnoOf(error)
  const { operation, key, root, stage } = step
  const meaning: Meaning = (stage === 'after' || errno === undefined ? undefined : MEANINGS[errno]) ?? {
    code: 'Unavailable',
    says: stage === 'after' ? 'whether the write was made, and lasts, is not known' : 'the file system failed',
  }
  const { code, says, hint } = meaning
  return new KeelstateError(code, {
    operation,
    ...(key === undefined ? {} : { key }),
    message: `${operation}${key === undefined ? '' : ` of ${printable(key)}`} in ${printable(root)}: ${says} (${errno ?? printable(String(error))}).`,
    ...(hint === undefined ? {} : { hint }),
    details: {
      ...(errno === undefined ? {} : { status: errno }),
      ...(stage === 'before' ? { notExecuted: true } : {}),
    },
    cause: error,
  })
}

/**
 * The error of a rename or link that is the atomic step of a write. A refusal by the file system's own rules is definite; what else may
 * happen on the way (`EIO`, `ESTALE`, `ETIMEDOUT`) leaves open whether the step was made.
 */
export function atomicStepError(error: unknown, step: FailedStep): KeelstateError {
  const definite = Object.hasOwn(MEANINGS, errnoOf(error) ?? '')
  return fileError(error, { ...step, stage: definite ? 'before' : 'after' })
}

export function bucketMissing(root: string, says = 'does not exist'): KeelstateError<'BucketMissing'> {
  return new KeelstateError('BucketMissing', {
    message: `The store's folder ${printable(root)} ${says}.`,
    details: { subject: 'bucket', notExecuted: true },
    hint: 'Check the path, or create the store with `keelstate init`.',
  })
}

export function symlinkInStore(path: string): KeelstateError<'AccessDenied'> {
  return new KeelstateError('AccessDenied', {
    message: `${printable(path)} is a symbolic link, and none is followed inside a store.`,
    details: { status: 'ELOOP', notExecuted: true },
    ...(SYMLINK.hint === undefined ? {} : { hint: SYMLINK.hint }),
  })
}

/** Something is there that this driver did not write. */
export function foreign(path: string, says: string): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    message: `${printable(path)} ${says}.`,
    details: { subject: 'object', notExecuted: true },
    hint: 'Something other than keelstate changed the folder. Restore it from a backup, then run `keelstate verify`.',
  })
}
