import { bytes, type RevisionDiff } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { byteCount, count, safeJson, shown } from '../text.ts'

const VALUE_LENGTH = 120 // characters of a value that are shown to people; --json has all of it

const options = {} as const

async function diff(call: Call<typeof options>): Promise<RevisionDiff> {
  const [name = '', from = 'current~1', to = 'current'] = call.positionals
  return (await call.open()).document(name, bytes()).diff(from, to, { signal: call.signal })
}

/** `entries[3].outputs.id`; a member that is no plain word is quoted. */
function pathText(path: readonly (string | number)[]): string {
  const parts = path.map((part) => {
    if (typeof part === 'number') return `[${part}]`
    return /^[\w-]+$/.test(part) ? `.${part}` : `[${safeJson(part)}]`
  })
  return parts.join('').replace(/^\./, '') || '(whole)'
}

function valueText(value: unknown): string {
  const text = shown(safeJson(value) ?? 'undefined')
  return text.length > VALUE_LENGTH ? `${text.slice(0, VALUE_LENGTH)}…` : text
}

export const command: Command = defineCommand({
  name: 'diff',
  about:
    'Shows what changed from revision FROM (default current~1) to TO (default current): member by member for JSON, sizes and digests otherwise.',
  positionals: ['NAME', 'FROM?', 'TO?'],
  options,
  examples: [
    ['diff shop/prod', 'what the last push changed'],
    ['diff shop/prod @1 stable', 'from the first revision to a label'],
  ],
  run: diff,
  async people({ from, to, equal, changes }, output) {
    const talk = `from ${revisionLine(from)}\nto   ${revisionLine(to)}`
    await output.talk(equal ? `${talk}\nno difference` : talk)
    if (equal) return
    if (changes === undefined) {
      const side = (mark: string, info: typeof from) =>
        `${mark} ${shown(info.type)}, ${byteCount(info.bytes)}, sha256 ${info.digest}\n`
      return await output.data(side('-', from) + side('+', to))
    }
    for (const { path, kind, before, after } of changes) {
      const where = pathText(path)
      if (kind === 'added') await output.data(`+ ${where}: ${valueText(after)}\n`)
      else if (kind === 'removed') await output.data(`- ${where}: ${valueText(before)}\n`)
      else await output.data(`~ ${where}: ${valueText(before)} → ${valueText(after)}\n`)
    }
    await output.talk(changes.length === 0 ? 'only the way it is written differs' : count(changes.length, 'change'))
  },
  json: ({ from, to, equal, changes }) => ({
    from: revisionJson(from),
    to: revisionJson(to),
    equal,
    changes:
      changes?.map(({ path, kind, before, after }) => ({ path, kind, before: before ?? null, after: after ?? null })) ??
      null,
  }),
})
