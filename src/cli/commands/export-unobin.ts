import { type ExportReport, exportStack } from '../../deployments/export.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { deploymentName, documentNameOf, TREE_OPTIONS, treeEncrypter, treeRoot } from '../original-trees.ts'
import { count, shown } from '../text.ts'

async function exportUnobin(call: Call<typeof TREE_OPTIONS>): Promise<(ExportReport & { name: string })[]> {
  const { host, signal, progress } = call
  const [folder = '', ...typed] = call.positionals
  const root = treeRoot(host, folder)
  const encrypter = treeEncrypter(host, call.options['env-key'])
  const names = typed.map(deploymentName)
  const store = await call.open()
  const exported: (ExportReport & { name: string })[] = []
  for (const one of names) {
    const name = documentNameOf(one)
    const onProgress = (done: number, total: number) => progress.update(done, total, name)
    const report = await exportStack(stateDocument(store, name), root, one, { encrypter, signal, onProgress })
    exported.push({ name, ...report })
  }
  return exported
}

export const command: Command = defineCommand({
  name: 'export unobin',
  about:
    'Writes documents NAME (FACTORY/STACK) into DIR as unobin v0.4.0 reads them: every kept revision, and what is current. No file is ever replaced: one that is there with another content is exit 1.',
  positionals: ['DIR', 'NAME', 'NAME…?'],
  options: TREE_OPTIONS,
  examples: [
    ['export unobin ./state shop/prod', 'one stack'],
    ['export unobin ./state shop/prod shop/staging --env-key UB_STATE_KEY', 'two, encrypted for the original'],
  ],
  run: exportUnobin,
  async people(exported, output) {
    for (const { name, folder, written, present, current } of exported) {
      const there = present > 0 ? `, ${present} there already` : ''
      const pointer = current === undefined ? 'nothing is current' : `current is ${shown(current)}`
      await output.talk(
        `exported ${count(written.length, 'revision')} of ${shown(name)} to ${shown(folder)}${there}; ${pointer}`,
      )
    }
  },
  json: (exported) => ({
    stacks: exported.map(({ name, folder, written, present, current }) => ({
      name,
      folder,
      written,
      present,
      current: current ?? null,
    })),
  }),
})
