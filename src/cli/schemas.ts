import { z } from 'zod'
import { difference, entry } from './schema-difference.ts'

/**
 * What every command prints with `--json`. The tests hold the commands to it and docs/cli.md is written from it; nothing imports it at
 * run time.
 */

const revision = z
  .strictObject({
    id: z.string().describe('its id'),
    number: z.int().positive().describe('its number: the N of @N'),
    seq: z.int().positive().describe('the head write that added it'),
    parent: z.string().nullable().describe('id of the revision that was current before it'),
    from: z.string().nullable().describe('id of the revision whose content it took over (rollback)'),
    at: z.iso.datetime().describe("when, by its writer's clock"),
    by: z.string().describe('who'),
    message: z.string().describe('why'),
    until: z.iso.datetime().nullable().describe('when it stopped being current'),
    epoch: z
      .string()
      .regex(/^\d+$/)
      .describe(
        'epoch of the document when it was added, as text: the fencing token of the lock, without one that of the last lock before',
      ),
    type: z.string().describe('snapshot, json, bytes or a media type'),
    bytes: z.int().nonnegative().describe('length of the body; of one that is stored as a change, of that'),
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('SHA-256 of the body, hex; of one that is stored as a change, of that'),
    base: z
      .int()
      .positive()
      .nullable()
      .describe('number of the revision that the body is stored as a change of; null: stored whole'),
    labels: z.array(z.string()).describe('labels on it'),
    current: z.boolean().describe('whether it was current when this was read'),
  })
  .meta({ id: 'revision' })

const head = {
  name: z.string().describe('the document, as typed'),
  kind: z.string().describe('its kind'),
  seq: z.int().positive().describe('how often its head was written'),
  epoch: z
    .string()
    .regex(/^\d+$/)
    .describe('highest fencing token under which it was written or claimed, as text; "0" before any'),
  writeId: z.string().describe('id of the last head write, hex'),
  keyId: z.string().describe('id of the data key, hex'),
  hasCurrent: z.boolean().describe('whether it has a current revision'),
  recipients: z.array(z.strictObject({ provider: z.string(), keyId: z.string() })).describe('keys that open it'),
  headBytes: z.int().positive().describe('stored size of the head'),
}

const name = z.string().describe('the document, as typed')
const dryRun = z.boolean().describe('whether --dry-run was given: nothing was written')
const replaced = revision.nullable().describe('what was current before; null when nothing was')

const fenceText = z.string().regex(/^\d+$/)

const lockMembers = {
  held: z.boolean().describe('whether somebody holds it'),
  owner: z.string().describe('owner id of who holds it, or held it last'),
  who: z.string(),
  host: z.string(),
  operation: z.string().describe('what for, in a word or two'),
  reason: z.string().nullable(),
  run: z.string().nullable().describe('where the pipeline run can be looked at'),
  since: z.string().describe("when it was taken, by the holder's clock"),
  leaseMs: z.int().positive().describe('how long it lasts unrenewed'),
  fence: fenceText.describe('fencing token, as text'),
}
const lock = z.strictObject(lockMembers).meta({ id: 'lock' })

const unreadable = z.array(
  z.strictObject({ name: z.string(), kind: z.string(), code: z.string(), message: z.string() }),
)
const unreadableLocks = unreadable.describe(
  'locks whose record is damaged or of a newer format; when there are any, the command fails, and this is in its report',
)

function of<T extends z.ZodRawShape>(command: string, shape: T): z.ZodType {
  return z.strictObject({ schema: z.literal(`keelstate.${command.replaceAll(' ', '-')}/1`), ...shape })
}

/** By command. */
export const OUTPUTS: Readonly<Record<string, z.ZodType>> = {
  init: of('init', {
    store: z.string().describe('the address, without secrets'),
    storeId: z.string().describe('32 hex digits'),
    created: z.boolean().describe('false when the store was there already'),
    opened: z.string().nullable().describe('a document that a configured key opened; null when there was none to try'),
    keyFile: z.string().nullable().describe('the key that --new-key made'),
    configuration: z
      .strictObject({ file: z.string(), written: z.boolean() })
      .describe('the configuration file, and whether this wrote it'),
  }),
  push: of('push', {
    name,
    dryRun,
    unchanged: z.boolean().describe('the body is what was current already; no revision was made'),
    type: z.string().describe('the type recorded with the body'),
    bytes: z.int().nonnegative().describe('length of the body'),
    revision: revision.nullable().describe('what is current now; null in a dry run that would change something'),
    replaced,
  }),
  pull: of('pull', {
    name,
    revision,
    file: z.string().nullable().describe('where the body was written; null without --output'),
    contentBase64: z.base64().nullable().describe('the body, when it was not written to a file'),
  }),
  list: of('list', {
    documents: z.array(z.strictObject(head)).describe('one for each document, by name'),
    unreadable: unreadable.describe('documents whose head is damaged, foreign or of a newer format'),
  }),
  status: of('status', {
    ...head,
    current: revision.nullable().describe('the current revision'),
    lastNumber: z.int().nonnegative().describe('how many revisions were ever committed'),
    labels: z.record(z.string(), z.string()).describe('label → id of the revision it is on'),
    lock: lock.nullable().describe('who holds the lock; null when nobody does'),
    snapshot: z
      .strictObject({
        factory: z.strictObject({ name: z.string(), version: z.string(), contentRevision: z.string() }),
        stack: z.string(),
        generatedAt: z.string(),
        entries: z.strictObject({
          leaf: z.int().nonnegative(),
          'library-call': z.int().nonnegative(),
          action: z.int().nonnegative(),
        }),
      })
      .nullable()
      .describe('what the current snapshot is of, and how many entries of each type it has; null when it is none'),
    deleted: z
      .strictObject({ at: z.iso.datetime(), by: z.string(), message: z.string() })
      .nullable()
      .describe('who deleted it; null when it is not deleted'),
  }),
  history: of('history', {
    name,
    revisions: z.array(revision).describe('newest first'),
    more: z.boolean().describe('whether there are older ones than --limit let through'),
  }),
  diff: of('diff', { from: revision, to: revision, ...difference }),
  rollback: of('rollback', {
    name,
    dryRun,
    target: revision.describe('whose content is current again'),
    revision: revision.nullable().describe('the new revision; null in a dry run'),
    replaced,
  }),
  label: of('label', {
    name,
    label: z.string().describe('the label'),
    removed: z.boolean().describe('whether --remove took it away'),
    revision: revision.nullable().describe('the revision it is on; null when it was removed'),
  }),
  compact: of('compact', {
    name,
    dryRun,
    stored: z.array(z.string()).describe('ids of the revisions that were stored whole, newest first'),
    released: z.int().nonnegative().describe('pruned revisions that were let go of'),
  }),
  delete: of('delete', {
    name,
    dryRun,
    deleted: z.boolean().describe('false in a dry run, and when the answer was no'),
    revision: revision.describe('what was current'),
  }),
  'entries list': of('entries list', {
    name,
    revision,
    entries: z
      .array(
        z.strictObject({
          address: z.string(),
          type: z.enum(['leaf', 'library-call', 'action']),
          kind: z.string().nullable(),
          library: z.string().nullable(),
          'library-type': z.string().nullable(),
        }),
      )
      .describe('in the order of the snapshot'),
  }),
  'entries show': of('entries show', {
    name,
    revision,
    entry: entry.describe("the entry in its file's own names; sensitive values are masked without --show-sensitive"),
  }),
  'entries move': of('entries move', {
    name,
    dryRun,
    moved: z.array(z.strictObject({ from: z.string(), to: z.string() })).describe('addresses, before and after'),
    revision: revision.nullable().describe('the new revision; null in a dry run'),
  }),
  'entries remove': of('entries remove', {
    name,
    dryRun,
    removed: z.string().describe('its address'),
    dependents: z.array(z.string()).describe('addresses of entries that say they depend on it'),
    revision: revision.nullable().describe('the new revision; null in a dry run'),
  }),
  lock: of('lock', {
    name,
    lock: lock.nullable().describe('the lock that was taken'),
  }),
  unlock: of('unlock', {
    name,
    broken: lock.nullable().describe('whose lock was broken; null when it was free'),
  }),
  locks: of('locks', {
    locks: z
      .array(z.strictObject({ name: z.string(), kind: z.string(), ...lockMembers }))
      .describe('by name: the document, and the members of a lock'),
    unreadable: unreadableLocks,
  }),
  'locks reset': of('locks reset', {
    dryRun,
    names: z.array(z.string()).describe('documents whose locks were marked'),
    unreadable: unreadableLocks,
  }),
  'import unobin': of('import unobin', {
    dryRun,
    stacks: z
      .array(
        z.strictObject({
          name: z.string(),
          imported: z.array(z.string()),
          present: z.int().nonnegative(),
          current: z.string().nullable(),
        }),
      )
      .describe('of each: ids of the revisions that were brought in, how many were there already, what is current'),
  }),
  'export unobin': of('export unobin', {
    stacks: z
      .array(
        z.strictObject({
          name: z.string(),
          folder: z.string(),
          written: z.array(z.string()),
          present: z.int().nonnegative(),
          current: z.string().nullable(),
        }),
      )
      .describe('of each: where it is, names of the revisions that were written, how many were there, what is current'),
  }),
  verify: of('verify', {
    ok: z.boolean().describe('nothing is damaged'),
    documents: z
      .array(
        z.strictObject({
          name: z.string(),
          ok: z.boolean(),
          revisions: z.int().nonnegative(),
          deltas: z.int().nonnegative().describe('revisions that are stored as changes of others'),
          objects: z.int().nonnegative(),
          bytes: z.int().nonnegative(),
          unreachable: z.int().nonnegative(),
          problems: z.array(z.strictObject({ key: z.string(), code: z.string(), message: z.string() })),
        }),
      )
      .describe(
        'what was read of each: kept revisions, objects, body bytes, objects that nothing needs, and what is wrong',
      ),
  }),
  doctor: of('doctor', {
    store: z.string().describe('the address, without secrets'),
    lock: z.string().nullable().describe('the lock table; null when locks lie in the store'),
    storeId: z.string().nullable().describe('32 hex digits; null when no store was made here yet'),
    verdict: z.enum(['safe', 'unsafe', 'unproven']),
    remembered: z.boolean().describe('a proof for this address lies in the store: locks are let in'),
    findings: z
      .array(
        z.strictObject({
          check: z.string(),
          verdict: z.enum(['ok', 'warning', 'unsafe', 'unknown']),
          says: z.string(),
          todo: z.string().nullable(),
        }),
      )
      .describe('one for each check: what was found, and what to do about it'),
  }),
  accept: of('accept', {
    name,
    dryRun,
    seq: z.int().nonnegative().describe('how often the accepted head was written; 0 when there is none'),
    writeId: z.string().nullable().describe('id of its last write, hex; null when there is none'),
    current: revision.nullable().describe('what is current in it'),
    remembered: z
      .int()
      .nonnegative()
      .nullable()
      .describe('the seq that this machine had seen before; null when nothing was in the way'),
    lock: z.boolean().describe("whether the lock's record was (would be) changed"),
  }),
  recover: of('recover', {
    dryRun,
    output: z.string().nullable().describe('where the body was written; null without --output'),
    saves: z
      .array(
        z.strictObject({
          name,
          kind: z.string().describe('its kind'),
          id: z
            .string()
            .nullable()
            .describe('which save of the document; null when its file cannot be read, as with the next three'),
          at: z.iso.datetime().nullable().describe("when it was kept, by this machine's clock"),
          bytes: z.int().nonnegative().nullable().describe('length of what is kept'),
          parent: z
            .string()
            .nullable()
            .describe('id of the revision that it was to replace; null: none, or what was current was not known'),
          writes: z.array(z.string()).describe('head writes that were begun for it, of which one may have landed'),
          file: z.string().describe('where it is kept'),
          problem: z.string().nullable().describe('why its file cannot be read'),
          outcome: z
            .enum(['kept', 'committed', 'landed', 'unchanged', 'discarded'])
            .describe('what became of it; landed: by an earlier attempt; unchanged: it is what is current'),
          revision: revision.nullable().describe('the revision that holds it'),
          replaced,
        }),
      )
      .describe('what was kept on this machine, oldest first within each document'),
    compared: z
      .strictObject({
        current: revision.nullable(),
        type: z.string(),
        bytes: z.int().nonnegative(),
        digest: z.string().regex(/^[0-9a-f]{64}$/),
        ...difference,
      })
      .nullable()
      .describe('what is current, and the first save that could not be committed for it: size, SHA-256 and difference'),
  }),
  config: of('config', {
    file: z.string().nullable().describe('the keelstate.json that was found'),
    settings: z
      .array(
        z.strictObject({
          name: z.enum(['store', 'lock', 'keys', 'storeId', 'wait', 'owner', 'cache', 'spool']),
          value: z.union([z.string(), z.array(z.string())]).nullable(),
          origin: z.strictObject({ from: z.enum(['flag', 'environment', 'file']), name: z.string() }).nullable(),
        }),
      )
      .describe('each setting, redacted, and where it came from; null when it is not set'),
  }),
}

/**
 * The last line of stderr when a command with `--json` fails. `report` is there when `verify`, `locks` or `locks reset` found
 * damage, or `doctor` a store that is not safe.
 */
export const FAILURE: z.ZodType = z.strictObject({
  error: z
    .strictObject({
      code: z.string().describe("the error's code, such as Conflict; Unexpected for what is no error of keelstate"),
      message: z.string().describe('what happened'),
      hint: z.string().nullable().describe('the next step'),
      retry: z.enum(['never', 'safe', 'after-refresh']).describe('whether the same call may be made again'),
      key: z.string().nullable().describe('the document, object, file or option it is about'),
    })
    .describe('what failed'),
  report: z
    .unknown()
    .optional()
    .describe('verify, doctor, locks and locks reset only: what they would have printed, with what was found'),
})
