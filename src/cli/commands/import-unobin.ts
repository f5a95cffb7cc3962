import type { DeploymentName } from '../../deployments/deployment.ts'
import { type ImportPlan, importStack, planImport } from '../../deployments/import.ts'
import { findOriginalStacks, type OriginalStack, readOriginalStack } from '../../deployments/original-tree.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import type { VersionedDocument } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { currentInfo } from '../current.ts'
import { deploymentName, documentNameOf, TREE_OPTIONS, treeEncrypter, treeRoot } from '../original-trees.ts'
import { count, shown } from '../text.ts'
import { LOCK_OPTIONS, underLock } from '../under-lock.ts'

const options = {
  ...TREE_OPTIONS,
  message: { type: 'string', short: 'm', value: 'TEXT', help: 'kept with each revision; default "imported"' },
  force: { type: 'boolean', help: 'although the original’s lock is held there' },
  'dry-run': { type: 'boolean', help: 'read and check everything, write nothing' },
  ...LOCK_OPTIONS,
} as const

interface Imported {
  dryRun: boolean
  stacks: { name: string; plan: ImportPlan }[]
}

interface Stack {
  name: string
  tree: OriginalStack
  document: VersionedDocument<Uint8Array>
}

async function importUnobin(call: Call<typeof options>): Promise<Imported> {
  const { host, signal, progress } = call
  const [folder = '', ...typed] = call.positionals
  const { 'dry-run': dryRun, force, message } = call.options
  const root = treeRoot(host, folder)
  const encrypter = treeEncrypter(host, call.options['env-key'])
  const names: DeploymentName[] = typed.length > 0 ? typed.map(deploymentName) : await findOriginalStacks(root)
  const store = await call.open()
  const stacks: Stack[] = []
  for (const one of names) {
    const name = documentNameOf(one)
    stacks.push({ name, tree: await readOriginalStack(root, one), document: stateDocument(store, name) })
  }
  const settings = ({ name }: Stack) => ({
    encrypter,
    force,
    signal,
    ...(message !== undefined && { message }),
    onProgress: (done: number, total: number) => progress.update(done, total, name),
  })
  // All of them are checked before the first is written.
  const imported: (Imported['stacks'][number] & { nothing: boolean })[] = []
  for (const one of stacks) {
    const current = await currentInfo(one.document, signal)
    const plan = await planImport(one.tree, one.document, current, settings(one))
    imported.push({ name: one.name, plan, nothing: plan.missing.length === 0 && plan.current === current?.id })
  }
  if (dryRun) return { dryRun, stacks: imported }
  for (const [i, one] of stacks.entries()) {
    const { name, tree, document } = one
    if (imported[i]!.nothing) continue
    const lock = { operation: 'import', content: false }
    const plan = await underLock(call, document, lock, (held) => importStack(tree, document, held, settings(one)))
    imported[i] = { name, plan, nothing: false }
  }
  return { dryRun, stacks: imported }
}

export const command: Command = defineCommand({
  name: 'import unobin',
  about:
    'Brings the stacks NAME (default all) of a tree FACTORY/STACK/snapshots in DIR, as unobin v0.4.0 writes it, into documents of those names: revisions with their names, order and times, and what is current. What is there already is left out; another content under a name that is there is exit 3. Refused while the original’s lock is held, exit 4.',
  positionals: ['DIR', 'NAME…?'],
  options,
  examples: [
    ['import unobin ./.unobin/state', 'everything'],
    ['import unobin ./state shop/prod --env-key UB_STATE_KEY', 'one stack that is encrypted'],
  ],
  run: importUnobin,
  async people({ dryRun, stacks }, output) {
    for (const { name, plan } of stacks) {
      const there = plan.present > 0 ? `, ${plan.present} there already` : ''
      const current = plan.current === undefined ? 'nothing is current' : `current is ${shown(plan.current)}`
      const verb = dryRun ? 'would import' : 'imported'
      await output.talk(`${verb} ${count(plan.missing.length, 'revision')} of ${shown(name)}${there}; ${current}`)
    }
  },
  json: ({ dryRun, stacks }) => ({
    dryRun,
    stacks: stacks.map(({ name, plan }) => ({
      name,
      imported: plan.missing,
      present: plan.present,
      current: plan.current ?? null,
    })),
  }),
})
