import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { KeelstateError } from '../core/errors.ts'
import type { Output } from './output.ts'
import { shown } from './text.ts'

/** What the library says to nobody in particular, by diagnostics channel: the command line's user is who should know. */
export const WARNINGS: Readonly<Record<string, (told: { name: string; error?: unknown }) => string>> = {
  'keelstate:lock-record-lost': ({ name }) =>
    `warning: the lock record of ${shown(name)} was gone, or older than the document. Whoever held the lock before is shut out from here on. If the locks were restored from a backup, run keelstate locks reset; if not, find out who deletes them.`,
  'keelstate:rebase-failed': ({ name, error }) =>
    `warning: what is current in ${shown(name)} stands on many changes and could not be stored whole. Nothing is lost; a later push tries again, and keelstate compact does it at once. ${reason(error)}`,
  'keelstate:release-failed': ({ name, error }) => releaseWarning(name, error),
}

/** Says on stderr what the library warns of, until the function that is returned is called. */
export function tellWarnings(output: Output): () => void {
  const listeners = Object.entries(WARNINGS).map(([channel, text]) => {
    const listener = (told: unknown) => void output.talk(text(told as { name: string; error?: unknown }))
    subscribe(channel, listener)
    return { channel, listener }
  })
  return () => {
    for (const { channel, listener } of listeners) unsubscribe(channel, listener)
  }
}

/** A lock that could not be given up is no failure of what was done under it. */
export function releaseWarning(name: string, error: unknown): string {
  return `warning: it is not known whether the lock on ${shown(name)} was given up; it ends by itself. ${reason(error)}`
}

function reason(error: unknown): string {
  return shown(KeelstateError.is(error) ? error.message : String(error))
}
