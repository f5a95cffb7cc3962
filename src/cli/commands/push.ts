import { createHash } from 'node:crypto'
import { BODY_TYPES, chooseBodyType, detectBodyType } from '../../core/body-type.ts'
import { furtherHint, KeelstateError, retold } from '../../core/errors.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import type { RevisionInfo, VersionedDocument } from '../../index.ts'
import { usage } from '../arguments.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { currentInfo, isParentId, refuseOtherParent } from '../current.ts'
import { readBody } from '../local-files.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { byteCount, shown, suggestion } from '../text.ts'
import { LOCK_OPTIONS, underLock } from '../under-lock.ts'

const options = {
  message: { type: 'string', short: 'm', value: 'TEXT', help: 'why; kept in the revision' },
  parent: {
    type: 'string',
    value: 'REV|none',
    help: 'replace this revision only: exit 3 when it is not current (any more)',
  },
  label: { type: 'string', value: 'LABEL', help: 'name the new revision' },
  type: {
    type: 'string',
    value: 'TYPE',
    help: "snapshot, json or bytes; left out: the document's last, else detected",
  },
  'dry-run': { type: 'boolean', help: 'say what would happen, write nothing' },
  'allow-empty': { type: 'boolean', help: 'let an empty body through' },
  ...LOCK_OPTIONS,
} as const

const COMPARED_BYTES = 64 * 1024 * 1024 // what a store keeps of opened contents; larger ones are stored whole

interface Pushed {
  name: string
  dryRun: boolean
  unchanged: boolean
  type: string
  bytes: number
  revision?: RevisionInfo
  replaced?: RevisionInfo
}

async function push(call: Call<typeof options>): Promise<Pushed> {
  const { host, signal, positionals } = call
  const name = positionals[0]!
  const file = positionals[1] ?? (host.stdin.isTTY === true ? undefined : '-')
  if (file === undefined) throw usage('push', 'push needs a FILE, or a body on standard input.')
  const { message, label, parent, 'dry-run': dryRun } = call.options
  const chosenType = checkedType(call.options.type)
  const document = stateDocument(await call.open(), name)
  const body = await readBody(file, host)
  if (body.length === 0 && !call.options['allow-empty']) throw emptyBody(name)

  const compare = async (now: RevisionInfo | undefined, value?: Uint8Array): Promise<Pushed> => {
    await refuseOtherParent('push', document, now, parent, signal)
    const type = chooseBodyType(body, chosenType, now?.type)
    const result = { name, dryRun, type, bytes: body.length }
    if (now !== undefined && (await sameBytes(document, body, now, value, signal)))
      return { ...result, type: now.type, unchanged: true, revision: now }
    return { ...result, unchanged: false, ...(now && { replaced: now }) }
  }
  if (dryRun) return await compare(await currentInfo(document, signal))
  // A snapshot is stored as a change of the one before, which is read for that.
  const content = body.length <= COMPARED_BYTES && detectBodyType(body) === 'snapshot'
  const change = { signal, ...(message !== undefined && { message }), ...(label !== undefined && { label }) }
  const atFirst = { ...change, type: chooseBodyType(body, chosenType, undefined), parent: idOf(parent) }
  const pushing = document.saving(body, atFirst, (saving) =>
    underLock(
      call,
      document,
      { operation: 'push', content },
      async (held) => {
        const compared = await compare(held.currentInfo, content ? held.current?.value : undefined)
        const { unchanged, type } = compared
        if (unchanged && label === undefined) return compared
        if (unchanged) return { ...compared, revision: await held.label(label!, held.currentInfo!.id, { signal }) }
        return { ...compared, revision: await held.commit(body, { ...change, type, saving }) }
      },
      saving,
    ),
  )
  return await pushing.catch((error: unknown) => {
    throw whereItIs(error, file)
  })
}

/** A parent that needs no look at the store; another name is one of what is current, or a conflict. */
function idOf(parent: string | undefined): string {
  return parent !== undefined && isParentId(parent) ? parent : 'any'
}

/** Adds where the body still is, when it could not be kept. */
function whereItIs(error: unknown, file: string): unknown {
  if (!KeelstateError.is(error) || error.details.notSpooled === undefined) return error
  const where =
    file === '-'
      ? 'What came on standard input is gone with this process: have it made again.'
      : `${shown(file)} is as it was: push it again when the trouble is over.`
  return retold(error, { hint: furtherHint(error.hint, where) })
}

function checkedType(type: string | undefined): string | undefined {
  if (type === undefined || BODY_TYPES.some((known) => known === type)) return type
  throw usage('push', `There is no type ${JSON.stringify(shown(type))}; ${suggestion(type, BODY_TYPES)}.`)
}

/** Whether this is what is current; of one that is stored as a change, the digest does not tell. */
async function sameBytes(
  document: VersionedDocument<Uint8Array>,
  body: Uint8Array,
  now: RevisionInfo,
  value: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (now.base !== undefined)
    return Buffer.compare(body, value ?? (await document.revision(now.id, { signal })).value) === 0
  return body.length === now.bytes && createHash('sha256').update(body).digest('hex') === now.digest
}

function emptyBody(name: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    operation: 'push',
    key: name,
    message: 'The body is empty; nothing was written.',
    hint: 'An empty body is more often a tool that failed than a state. Add --allow-empty if it is meant.',
  })
}

export const command: Command = defineCommand({
  name: 'push',
  about:
    'Makes the exact bytes of FILE (- or nothing: standard input) the current revision of NAME. The same bytes as current make no new revision.',
  positionals: ['NAME', 'FILE?'],
  options,
  examples: [
    ['push network/terraform terraform.tfstate -m "add subnet"', 'from a file'],
    ['push shop/prod --parent 01J8ZQ4W6E3V7K2N9R5T1X8Y0C < shop.json', 'only if nobody else pushed since'],
  ],
  run: push,
  async people({ name, dryRun, unchanged, type, bytes: size, revision, replaced }, output) {
    const what = `${shown(name)} (${type}, ${byteCount(size)})`
    if (unchanged) await output.talk(`unchanged: ${shown(name)} is already ${revisionLine(revision!)}`)
    else if (dryRun) await output.talk(`would push ${what}`)
    else await output.talk(`pushed ${what} as ${revisionLine(revision!)}`)
    if (replaced) await output.talk(`${dryRun ? 'would replace' : 'replaced'} ${revisionLine(replaced)}`)
  },
  json: ({ name, dryRun, unchanged, type, bytes: size, revision, replaced }) => ({
    name,
    dryRun,
    unchanged,
    type,
    bytes: size,
    revision: revision ? revisionJson(revision) : null,
    replaced: replaced ? revisionJson(replaced) : null,
  }),
})
