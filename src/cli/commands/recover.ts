import { furtherHint, KeelstateError, retold } from '../../core/errors.ts'
import { isKeptAfter } from '../../core/saving.ts'
import { decodeSnapshot } from '../../deployments/codec.ts'
import { diffSnapshots, type SnapshotDiff } from '../../deployments/snapshot-diff.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import type { ComparedSave, RevisionInfo, SpooledSave, Store, VersionedDocument } from '../../index.ts'
import { usage } from '../arguments.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { replaceFile } from '../local-files.ts'
import { revisionLine } from '../revisions.ts'
import { comparedJson, comparedText, type Outcome, outcomeText, type SaveReport, saveJson, saveRow } from '../saves.ts'
import { columns, shown } from '../text.ts'
import { LOCK_OPTIONS, underLock } from '../under-lock.ts'

const options = {
  save: { type: 'string', value: 'ID', help: 'this save only, when several are kept of NAME' },
  replace: {
    type: 'string',
    value: 'REV|none',
    help: 'commit although something else is current by now, if that is REV',
  },
  output: {
    type: 'string',
    short: 'o',
    value: 'FILE',
    help: 'write the body of the save to FILE (0600), change nothing',
  },
  discard: { type: 'boolean', help: 'remove the save without using it' },
  'dry-run': { type: 'boolean', help: 'say what would happen, change nothing' },
  ...LOCK_OPTIONS,
} as const

interface Recovery {
  readonly name: string | undefined
  readonly dryRun: boolean
  readonly output: string | null
  readonly saves: SaveReport[]
  /** What is current beside the save that could not be committed. */
  readonly compared?: ComparedSave & { snapshots?: SnapshotDiff }
  readonly failed?: KeelstateError
  /** The documents of which something is kept, where nothing is of this one. */
  readonly others?: readonly string[]
}

async function recover(call: Call<typeof options>): Promise<Recovery> {
  const { 'dry-run': dryRun, output = null, discard, save: id, replace } = call.options
  const name = call.positionals[0]
  const chosen = [discard && '--discard', output !== null && '--output', replace !== undefined && '--replace']
  const actions = chosen.filter((one) => one !== false)
  if (actions.length > 1) throw usage('recover', `${actions.join(' and ')} exclude each other.`)
  if (name === undefined && (actions.length > 0 || id !== undefined || dryRun))
    throw usage('recover', 'recover needs NAME for that.')
  const store = await call.open()
  const about = { name, dryRun, output }
  if (name === undefined) return { ...about, saves: await listed(store) }
  const document = stateDocument(store, name)
  const saves = await selected(store, name, id)
  if (saves.length > 1 && actions.length > 0) throw severalKept(name, saves, actions[0]!)
  if (saves.length === 0 && (actions.length > 0 || id !== undefined)) throw nothingKept(name, id)
  if (discard) {
    if (!dryRun) await document.discardSave(saves[0]!)
    return { ...about, saves: [report(saves[0]!, 'discarded')] }
  }
  if (output !== null) {
    const { body } = await document.openSave(saves[0]!, { signal: call.signal })
    if (!dryRun) await replaceFile(output, body, call.host.cwd)
    return { ...about, saves: [report(saves[0]!, 'kept')] }
  }
  if (saves.length === 0) {
    const others = new Set((await listed(store)).map(({ save }) => save.name))
    return { ...about, saves: [], others: [...others] }
  }
  if (dryRun) return { ...about, ...(await bringHome(call, store, document, document, saves)) }
  const bringing = underLock(call, document, { operation: 'recover', content: false }, async (held) => ({
    ...about,
    ...(await bringHome(call, store, document, held, saves)),
  }))
  return await bringing.catch((error: unknown) => {
    throw stillKept(error, name)
  })
}

/** Recovers one after the other, oldest first, until one cannot be. */
async function bringHome(
  { options: { replace, 'dry-run': dryRun }, signal }: Call<typeof options>,
  store: Store,
  document: VersionedDocument<Uint8Array>,
  through: Pick<VersionedDocument<Uint8Array>, 'recover'>,
  saves: readonly SpooledSave[],
): Promise<Pick<Recovery, 'saves' | 'compared' | 'failed'>> {
  const reports: SaveReport[] = []
  for (const save of saves) {
    try {
      const instead = replace === undefined ? {} : { replace: await replaceable(document, replace, signal) }
      const { outcome, ...found } = await through.recover(save, { signal, dryRun, ...instead })
      reports.push({ ...report(save, outcome), ...found })
    } catch (error) {
      if (!KeelstateError.is(error)) throw error
      const left = saves.slice(reports.length).map((one) => report(one, 'kept'))
      if (error.code !== 'Conflict') return { saves: [...reports, ...left], failed: stillKept(error, save.name) }
      const compared = await beside(store, document, save, signal)
      return { saves: [...reports, ...left], compared, failed: moved(error, save, compared.current) }
    }
  }
  return { saves: reports }
}

async function replaceable(
  document: VersionedDocument<Uint8Array>,
  replace: string,
  signal: AbortSignal,
): Promise<string> {
  return replace === 'none' ? replace : (await document.info(replace, { signal })).id
}

/** What is current and the save. Of snapshots what is marked as sensitive is not shown. */
async function beside(
  store: Store,
  document: VersionedDocument<Uint8Array>,
  save: SpooledSave,
  signal: AbortSignal,
): Promise<NonNullable<Recovery['compared']>> {
  const { changes, ...compared } = await document.compareSave(save, { signal })
  const { current, type, body } = compared
  if (changes === undefined) return compared
  if (current?.type !== 'snapshot' && type !== 'snapshot') return { ...compared, changes }
  if (current?.type !== type) return compared
  try {
    const before = await stateDocument(store, save.name).revision(current.id, { signal })
    const snapshots = diffSnapshots(decodeSnapshot(before.value), decodeSnapshot(body))
    return { ...compared, changes: [...snapshots.others], snapshots }
  } catch (error) {
    if (KeelstateError.is(error, 'InvalidInput')) return compared // what is no snapshot cannot say what is sensitive
    throw error
  }
}

async function listed(store: Store): Promise<SaveReport[]> {
  const saves: SaveReport[] = []
  for await (const save of store.spooled()) saves.push(report(save, 'kept'))
  return saves
}

/** The saves of a document, oldest first; one that cannot be read hides no other. */
async function selected(store: Store, name: string, id: string | undefined): Promise<SpooledSave[]> {
  const saves: SpooledSave[] = []
  for await (const save of store.spooled({ name })) {
    if ('problem' in save && id === undefined) throw save.problem
    if (!('problem' in save) && (id === undefined || save.id === id)) saves.push(save)
  }
  return saves
}

function report(save: SaveReport['save'], outcome: Outcome): SaveReport {
  return { save, outcome }
}

/** Says what to do next, where that is the same once more. */
function stillKept<E>(error: E, name: string): E | KeelstateError {
  if (!KeelstateError.is(error) || !isKeptAfter(error) || error.operation === 'document.recover') return error // which says what else to do
  const next = `It is still kept. When the trouble is over: keelstate recover ${shown(name)}`
  return retold(error, { hint: furtherHint(error.hint, next) })
}

function moved(cause: KeelstateError, { name, id }: SpooledSave, current: RevisionInfo | undefined): KeelstateError {
  const command = `keelstate recover ${shown(name)} --save ${id}`
  return new KeelstateError('Conflict', {
    operation: 'recover',
    key: name,
    message: `${cause.message} What was kept of ${shown(name)} was not committed.`,
    details: cause.details,
    hint: `To commit it in the place of what is current: ${command} --replace ${current?.id ?? 'none'} · to have its body in a file: ${command} -o FILE · to drop it: ${command} --discard`,
    cause,
  })
}

function nothingKept(name: string, id: string | undefined): KeelstateError<'NotFound'> {
  return new KeelstateError('NotFound', {
    operation: 'recover',
    key: name,
    message:
      id === undefined ? `Nothing is kept of ${shown(name)}.` : `No save ${shown(id)} is kept of ${shown(name)}.`,
    details: { subject: 'save' },
    hint: 'See what is kept: keelstate recover',
  })
}

function severalKept(name: string, saves: readonly SpooledSave[], action: string): KeelstateError<'InvalidOptions'> {
  const ids = saves.map(({ id }) => id).join(', ')
  return usage(
    'recover',
    `${saves.length} saves are kept of ${shown(name)}: ${ids}.`,
    `Name the one: ${action} … --save ID`,
  )
}

export const command: Command = defineCommand({
  name: 'recover',
  about:
    'Brings home what a command could not save: what is kept on this machine of NAME is committed under its lock, unless it turns out to have landed, and only if nothing else has become current since; else the difference is shown, exit 3. Nothing is committed twice. Without NAME it lists what is kept.',
  positionals: ['NAME?'],
  options,
  examples: [
    ['recover', 'what is kept on this machine'],
    ['recover shop/prod', 'after an error that said so'],
    ['recover shop/prod -o shop.json', 'only the body'],
  ],
  run: recover,
  async people({ name, saves, others = [], compared, dryRun, output: file }, output) {
    if (saves.length === 0) {
      const of = name === undefined ? '' : ` of ${shown(name)}`
      const but = others.length === 0 ? '' : `, but of ${others.map((one) => shown(one)).join(', ')}`
      return await output.talk(`nothing is kept${of} on this machine${but}`)
    }
    if (saves.every(({ outcome }) => outcome === 'kept') && compared === undefined && file === null)
      return await output.data(columns(saves.map(saveRow)))
    for (const one of saves) await output.talk(outcomeText(one, dryRun, file))
    if (compared === undefined) return
    await output.talk(
      `from ${compared.current ? revisionLine(compared.current) : 'nothing'}, which is current\nto   what was kept`,
    )
    await output.data(comparedText(compared))
  },
  json: ({ saves, compared, dryRun, output }) => ({
    dryRun,
    output,
    saves: saves.map(saveJson),
    compared: compared ? comparedJson(compared) : null,
  }),
  failure: ({ failed }) => failed,
})
