import { KeelstateError } from '../../core/errors.ts'
import { bytes, type VerifyProblem, type VerifyReport } from '../../index.ts'
import { usage } from '../arguments.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { byteCount, columns, count, shown } from '../text.ts'

const options = {
  all: { type: 'boolean', help: 'every document of the store' },
} as const

interface Verified {
  name: string
  report: VerifyReport
}

async function verify(call: Call<typeof options>): Promise<Verified[]> {
  const { signal, progress } = call
  const [only] = call.positionals
  if ((only === undefined) !== call.options.all) throw usage('verify', 'verify needs a NAME or --all, one of them.')
  const store = await call.open()
  const names: string[] = []
  if (only !== undefined) names.push(only)
  else for await (const head of store.list({ all: true, signal })) names.push(head.name)
  const verified: Verified[] = []
  for (const name of names) {
    const document = store.document(name, bytes())
    const report = await document.verify({ signal, onProgress: (done, total) => progress.update(done, total, name) })
    // Nothing to verify may mean that nothing has that name; its status tells, by `NotFound`.
    if (only !== undefined && report.ok && report.revisions === 0) await document.status({ signal })
    verified.push({ name, report })
  }
  return verified
}

function problemsOf(verified: Verified[]): (VerifyProblem & { name: string })[] {
  return verified.flatMap(({ name, report }) => report.problems.map((problem) => ({ ...problem, name })))
}

export const command: Command = defineCommand({
  name: 'verify',
  about: 'Reads every object of NAME, checks seals, digests and references. Exit 6 when something is damaged.',
  positionals: ['NAME?'],
  options,
  examples: [
    ['verify shop/prod', 'one document'],
    ['verify --all --json', 'the whole store, for a program'],
  ],
  run: verify,
  async people(verified, output) {
    const rows = verified.map(({ name, report }) => [
      report.ok ? 'ok' : 'DAMAGED',
      shown(name),
      count(report.revisions, 'revision'),
      count(report.objects, 'object'),
      byteCount(report.bytes),
      report.deltas === 0 ? '' : `${count(report.deltas, 'change')}`,
      report.unreachable === 0 ? '' : `${count(report.unreachable, 'object')} unreachable`,
    ])
    if (rows.length === 0) await output.talk('no documents')
    else await output.data(columns(rows))
    for (const { name, key, code, message } of problemsOf(verified)) {
      await output.data(`${shown(name)}: ${code}: ${shown(message)} (${shown(key)})\n`)
    }
  },
  json: (verified) => ({
    ok: verified.every(({ report }) => report.ok),
    documents: verified.map(({ name, report }) => ({
      name,
      ok: report.ok,
      revisions: report.revisions,
      deltas: report.deltas,
      objects: report.objects,
      bytes: report.bytes,
      unreachable: report.unreachable,
      problems: report.problems.map(({ key, code, message }) => ({ key, code, message })),
    })),
  }),
  failure(verified) {
    const problems = problemsOf(verified)
    if (problems.length === 0) return undefined
    const damaged = verified.filter(({ report }) => !report.ok)
    return new KeelstateError('Corrupt', {
      operation: 'verify',
      key: damaged[0]?.name ?? '',
      message: `${count(problems.length, 'problem')} in ${count(damaged.length, 'document')} of ${verified.length}.`,
      hint: 'Nothing was changed. Pull what still opens (--rev), and restore the damaged objects from the versions that the bucket kept.',
    })
  },
})
