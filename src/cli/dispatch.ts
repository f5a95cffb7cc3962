import { aborted, KeelstateError } from '../core/errors.ts'
import { COMMON_OPTIONS, commandHelp, type OptionTable, usage } from './arguments.ts'
import { asksForHelp, type Command } from './command.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { Host } from './host.ts'
import { Output } from './output.ts'
import { columns, shown, suggestion } from './text.ts'

export type CommandIndex = Readonly<
  Record<string, readonly [about: string, load: () => Promise<{ readonly command: Command }>]>
>

/** Finds the command, runs it, and turns whatever happens into an exit code. */
export async function dispatch(args: readonly string[], host: Host, commands: CommandIndex): Promise<number> {
  const output = new Output(host, asksForJson(args))
  try {
    const at = commandPlace(args)
    const { name, end } = commandName(args, at, commands)
    if (name === undefined || name === 'help') {
      const about = name === 'help' ? commandName(args, end, commands).name : undefined
      if (about !== undefined) return await help(about, commands, output)
      if (name === 'help' || asksForHelp(args)) {
        await output.data(overview(commands))
        return EXIT.done
      }
      throw usage('keelstate', 'No command was given.')
    }
    if (asksForHelp(args)) return await help(name, commands, output)
    const command = await load(name, commands)
    return await command.execute([...args.slice(0, at), ...args.slice(end)], host, output)
  } catch (error) {
    // An interrupted read of a stream or file fails in Node's own words.
    const told = host.signal.aborted && !KeelstateError.is(error) ? aborted('keelstate', undefined, error) : error
    await output.failure(KeelstateError.is(told, 'Aborted') ? interrupted(told) : told)
    return exitCodeOf(told)
  }
}

function interrupted(error: KeelstateError<'Aborted'>): KeelstateError<'Aborted'> {
  if (error.operation === 'lock.acquire') return error // it says who was waited for
  const { key, hint, details } = error
  const kept = details.spooled ?? details.notSpooled
  return new KeelstateError('Aborted', {
    message: 'Interrupted.',
    ...(key !== undefined && { key }),
    ...(kept !== undefined && hint !== undefined && { hint }),
  })
}

async function load(name: string, commands: CommandIndex): Promise<Command> {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry !== undefined) return (await entry[1]()).command
  const group = groupOf(name, commands)
  if (group.length > 0)
    throw usage(
      group.length === 1 ? group[0]! : 'keelstate',
      `${shown(name)} needs a second word: ${group.join(', ')}.`,
    )
  const what = suggestion(name, Object.keys(commands))
  throw usage('keelstate', `There is no command ${JSON.stringify(shown(name))}; ${what}.`)
}

async function help(name: string, commands: CommandIndex, output: Output): Promise<number> {
  const group = groupOf(name, commands)
  if (!Object.hasOwn(commands, name) && group.length > 0) {
    for (const one of group) await output.data(commandHelp(await load(one, commands)))
    return EXIT.done
  }
  await output.data(commandHelp(await load(name, commands)))
  return EXIT.done
}

function overview(commands: CommandIndex): string {
  return [
    'keelstate COMMAND … keeps versioned, encrypted documents in a bucket or a folder.\n',
    `Commands\n${columns(Object.entries(commands).map(([name, [about]]) => [`  ${name}`, about]))}`,
    'keelstate COMMAND --help shows the options and examples of one; keelstate --version the version.\n',
    'NAME is a document: seg/seg…, %2F for a slash inside a segment. REV is a revision: its id, @N (its number),',
    'current, current~N, or a label.\n',
    'Exit codes: 0 done · 1 failed · 2 usage · 3 conflict · 4 locked · 5 not found · 6 corrupt, tampered or undecryptable ·',
    '7 outcome unknown · 130 interrupted\n',
  ].join('\n')
}

/** The command's name, of one word or two (`entries move`), and where it ends. The longer one counts. */
function commandName(
  args: readonly string[],
  at: number,
  commands: CommandIndex,
): { name: string | undefined; end: number } {
  const two = args.slice(at, at + 2).join(' ')
  if (args.length > at + 1 && Object.hasOwn(commands, two)) return { name: two, end: at + 2 }
  const second = args[at + 1]
  // `entries mvoe`: the nearest of the group is what is meant.
  if (
    second !== undefined &&
    !second.startsWith('-') &&
    !Object.hasOwn(commands, args[at]!) &&
    groupOf(args[at]!, commands).length > 0
  )
    return { name: two, end: at + 2 }
  return { name: args[at], end: at + 1 }
}

/** The commands of two words that begin with this one. */
function groupOf(word: string, commands: CommandIndex): string[] {
  return Object.keys(commands).filter((name) => name.startsWith(`${word} `))
}

/** Where the command stands: behind the options that may come before it, with their values. */
function commandPlace(args: readonly string[]): number {
  const table: OptionTable = COMMON_OPTIONS
  let at = 0
  while (at < args.length && args[at]!.startsWith('-')) {
    const name = args[at]!.slice(2)
    at += table[name]?.type === 'string' ? 2 : 1
  }
  return at
}

/** Known before anything is parsed, so that a wrong command line is reported in JSON too. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}
