import { KeelstateError } from '../../core/errors.ts'
import { stateDocument } from '../../deployments/state-document.ts'
import type { LockHolder } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { breakCommand, lockJson } from '../locks.ts'
import { shown } from '../text.ts'
import { holderLine } from '../under-lock.ts'

const options = {
  owner: { type: 'string', value: 'ID', help: 'whose lock to break, as it was shown; nobody else’s is broken' },
} as const

interface Unlocked {
  name: string
  /** Whose lock was broken; absent when it was free. */
  broken?: LockHolder
}

async function unlock(call: Call<typeof options>): Promise<Unlocked> {
  const { signal, positionals } = call
  const name = positionals[0]!
  const { owner } = await call.settings()
  const document = stateDocument(await call.open({ keys: 'none' }), name)
  const holder = await document.holder({ signal })
  if (holder === undefined || !holder.held) return { name }
  if (owner === undefined) throw isLocked(name, holder)
  await document.forceUnlock(owner.value, { signal })
  return { name, broken: holder }
}

function isLocked(name: string, holder: LockHolder): KeelstateError<'Locked'> {
  const { owner, since, operation } = holder
  return new KeelstateError('Locked', {
    operation: 'unlock',
    key: name,
    message: `${shown(name)} is locked by ${holderLine(holder)}.`,
    details: { holder: `${holder.who}@${holder.host}`, since, owner, operation },
    hint: `Make sure that nothing of it is still at work. To break it: ${breakCommand(name, owner)}`,
  })
}

export const command: Command = defineCommand({
  name: 'unlock',
  about:
    'Breaks the lock of NAME that has the owner ID: from the next holder’s start on the store refuses whatever that one still tries to write. Without --owner it shows who holds the lock and the command that breaks it, exit 4. Needs no key.',
  positionals: ['NAME'],
  options,
  examples: [
    ['unlock shop/prod', 'who holds it'],
    ['unlock shop/prod --owner 0f3c6f0d7a8e4b6f9f2b1c5d8e7a6b4c', 'break exactly that holder’s'],
  ],
  run: unlock,
  async people({ name, broken }, output) {
    if (broken) await output.talk(`unlocked ${shown(name)}, which was held by ${holderLine(broken)}`)
    else await output.talk(`${shown(name)} is not locked`)
  },
  json: ({ name, broken }) => ({ name, broken: broken ? lockJson(broken) : null }),
})
