import type { Head } from './head.ts'
import type { HeadBody } from './head-body.ts'
import type { RevisionRecord } from './record.ts'

/** What is known of a revision without its content. */
export interface RevisionInfo {
  readonly id: string
  /** 1, 2, 3 …: the `@N` of the command line. */
  readonly number: number
  /** The head write that added it. */
  readonly seq: number
  /** Id of the revision that was current when it was added. */
  readonly parent?: string
  /** Id of the revision whose content it took over (rollback). */
  readonly from?: string
  /** When it was made, by its writer's clock: RFC 3339, UTC. */
  readonly at: string
  readonly by: string
  readonly message: string
  /** When it stopped being current. */
  readonly until?: string
  /**
   * The document's epoch when it was added. Under a lock that is the lock's fencing token; without one it is that of the last lock under which the document
   * was written before, and 0 when there was none.
   */
  readonly epoch: bigint
  /** `json`, `bytes`, `snapshot` or a media type. */
  readonly type: string
  /** Length of the content in bytes; of one that is stored as a change, of that. */
  readonly bytes: number
  /** SHA-256 of the content, hex; of one that is stored as a change, of that. */
  readonly digest: string
  /** Number of the revision that the content is stored as a change of; absent when it is stored whole. */
  readonly base?: number
  readonly labels: readonly string[]
  readonly current: boolean
  /** Seq of the head in which this was seen: as a `parent`, it must not have been left since. */
  readonly seenSeq: number
}

/** A revision with its value. */
export interface Revision<T> extends RevisionInfo {
  readonly value: T
  /** On the result of a commit: what was current before. */
  readonly replaced?: RevisionInfo
}

/** What a head says about one of its records. */
export function infoOf(record: RevisionRecord, head: Head | { body: HeadBody; seq: number }): RevisionInfo {
  const { body } = head
  const current = body.current?.number === record.number
  const until = current ? undefined : (body.untils.get(record.number) ?? record.until)
  const info: { -readonly [K in keyof RevisionInfo]: RevisionInfo[K] } = {
    id: record.id,
    number: record.number,
    seq: record.seq,
    at: record.at,
    by: record.by,
    message: record.message,
    epoch: record.epoch,
    type: record.type,
    bytes: record.bytes,
    digest: Buffer.from(record.digest, 'base64').toString('hex'),
    labels: [...body.labels].flatMap(([label, { number }]) => (number === record.number ? [label] : [])),
    current,
    seenSeq: 'header' in head ? head.header.seq : head.seq,
  }
  if (record.parent !== undefined) info.parent = record.parent
  if (record.from !== undefined) info.from = record.from
  if (until !== undefined) info.until = until
  if (record.base !== undefined) info.base = record.base.number
  return info
}
