import { stateDocument } from '../../deployments/state-document.ts'
import type { AcceptedHead } from '../../index.ts'
import { usage } from '../arguments.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { revisionJson, revisionLine } from '../revisions.ts'
import { shown } from '../text.ts'

const options = {
  'dry-run': { type: 'boolean', help: 'say what would be accepted, change nothing' },
} as const

interface Accepted {
  name: string
  dryRun: boolean
  head: AcceptedHead
}

async function accept(call: Call<typeof options>): Promise<Accepted> {
  const [, name, seq] = /^(.+)@(\d{1,15})$/s.exec(call.positionals[0]!) ?? []
  if (name === undefined) {
    const hint = 'SEQ is the number that the error RolledBack ends with: how often the head was written. 0: it is gone.'
    throw usage('accept', 'accept needs a document and the head that is meant: NAME@SEQ.', hint)
  }
  const { 'dry-run': dryRun } = call.options
  const document = stateDocument(await call.open(), name)
  return { name, dryRun, head: await document.accept(Number(seq), { dryRun, signal: call.signal }) }
}

export const command: Command = defineCommand({
  name: 'accept',
  about:
    'Accepts that NAME was restored on purpose: this machine and the next holder of its lock take the head at SEQ as the one to start from, although a later or another one was seen before. Refused when the head is at another SEQ, and while the lock is held. Every machine that saw a later head has a memory of its own, where this is to be run too.',
  positionals: ['NAME@SEQ'],
  options,
  examples: [
    ['accept shop/prod@41 --dry-run', 'what is there, after an error that said RolledBack'],
    ['accept shop/prod@41', 'go on from there'],
  ],
  run: accept,
  async people({ name, dryRun, head }, output) {
    const { seq, current, remembered, lock } = head
    const what = seq === 0 ? `that ${shown(name)} is gone` : `the head of ${shown(name)} at ${seq}`
    await output.talk(
      `${dryRun ? 'would accept' : 'accepted'} ${what}; current: ${current ? revisionLine(current) : 'none'}`,
    )
    if (remembered !== undefined) await output.talk(`  this machine had seen it at ${remembered}`)
    if (lock) await output.talk(`  the record of its lock ${dryRun ? 'would be' : 'was'} changed`)
  },
  json: ({ name, dryRun, head }) => ({
    name,
    dryRun,
    seq: head.seq,
    writeId: head.writeId ?? null,
    current: head.current ? revisionJson(head.current) : null,
    remembered: head.remembered ?? null,
    lock: head.lock,
  }),
})
