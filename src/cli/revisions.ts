import type { DocumentStatus, HeadStatus, RevisionInfo } from '../index.ts'
import { byteCount, shown } from './text.ts'

/** A revision in `--json`. A member without a value is null, so that every revision has the same members. */
export interface RevisionJson {
  id: string
  number: number
  seq: number
  parent: string | null
  from: string | null
  at: string
  by: string
  message: string
  until: string | null
  /** Text: it may lie beyond 2^53. */
  epoch: string
  type: string
  bytes: number
  /** SHA-256 of the body, hex; with `base`, it and `bytes` are those of the change. */
  digest: string
  /** Number of the revision that the body is stored as a change of. */
  base: number | null
  labels: string[]
  current: boolean
}

export function revisionJson(info: RevisionInfo): RevisionJson {
  const {
    id,
    number,
    seq,
    parent = null,
    from = null,
    at,
    by,
    message,
    until = null,
    type,
    bytes,
    digest,
    base = null,
    current,
  } = info
  const epoch = info.epoch.toString()
  return {
    id,
    number,
    seq,
    parent,
    from,
    at,
    by,
    message,
    until,
    epoch,
    type,
    bytes,
    digest,
    base,
    labels: [...info.labels],
    current,
  }
}

/** A document's head in `--json`: what can be read without a key. */
export interface HeadJson {
  name: string
  kind: string
  seq: number
  epoch: string
  writeId: string
  keyId: string
  hasCurrent: boolean
  recipients: { provider: string; keyId: string }[]
  headBytes: number
}

export function headJson(head: HeadStatus | DocumentStatus): HeadJson {
  const { name, kind, seq, writeId, keyId, hasCurrent, headBytes } = head
  const recipients = head.recipients.map((recipient) => ({ provider: recipient.provider, keyId: recipient.keyId }))
  return { name, kind, seq, epoch: head.epoch.toString(), writeId, keyId, hasCurrent, recipients, headBytes }
}

/** `@3 01J8… by ci@build at 2026-05-30T12:00:00.000Z`; the time is left out where the id is that time, to the second. */
export function revisionLine(info: RevisionInfo): string {
  // A name made from a time drops trailing zeros, and is made a moment before the commit: `12:00:00.23Z` is `12:00:00.230Z`.
  const isNamedByTime = Math.abs(Date.parse(info.id) - Date.parse(info.at)) < 1_000
  const at = isNamedByTime ? '' : ` at ${shown(info.at)}`
  return `@${info.number} ${shown(info.id)} by ${shown(info.by)}${at}`
}

/** Number, id, time, author, size (with a plus: of a change), type, labels, message: a row of `columns`. */
export function revisionRow(info: RevisionInfo): string[] {
  const labels = info.labels.map((label) => shown(label)).join(',')
  const marks = [info.current ? 'current' : '', labels].filter((mark) => mark !== '').join(',')
  const { id, at, by, type, message } = info
  return [
    `@${info.number}`,
    shown(id),
    shown(at),
    shown(by),
    `${info.base === undefined ? '' : '+'}${byteCount(info.bytes)}`,
    shown(type),
    marks || '-',
    shown(message),
  ]
}
