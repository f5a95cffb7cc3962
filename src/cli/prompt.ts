import { createInterface } from 'node:readline/promises'
import { aborted } from '../core/errors.ts'
import { usage } from './arguments.ts'
import type { Host } from './host.ts'

/**
 * Asks a yes-or-no question on the terminal; anything but `y` or `yes` is no.
 *
 * @throws {KeelstateError} `InvalidOptions` when nobody is there to answer: never a prompt without a terminal.
 */
export async function confirm(host: Host, command: string, question: string, flag: string): Promise<boolean> {
  if (host.stdin.isTTY !== true || host.stderr.isTTY !== true) {
    throw usage(command, `${command} asks before it goes on, and there is no terminal to ask on.`, `Add ${flag}.`)
  }
  const terminal = createInterface({ input: host.stdin, output: host.stderr })
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal: host.signal })
    return /^y(es)?$/i.test(answer.trim())
  } catch (cause) {
    throw aborted(command, undefined, cause)
  } finally {
    terminal.close()
  }
}
