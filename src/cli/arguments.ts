import { parseArgs } from 'node:util'
import { KeelstateError } from '../core/errors.ts'
import { columns, shown, suggestion } from './text.ts'

/** One option of a command. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given several times. */
  readonly multiple?: true
  /** What stands for the value in the help, such as `FILE`. */
  readonly value?: string
  readonly help: string
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

/** What a command gets of its table: `true`/`false` for a switch, text or nothing for an option with a value. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K]['type'] extends 'boolean'
    ? boolean
    : T[K] extends { multiple: true }
      ? readonly string[]
      : string | undefined
}

/** The table of `COMMON_OPTIONS`. */
export type CommonOptions = {
  readonly store: OptionSpec & { readonly type: 'string' }
  readonly key: OptionSpec & { readonly type: 'string'; readonly multiple: true }
  readonly lock: OptionSpec & { readonly type: 'string' }
  readonly json: OptionSpec & { readonly type: 'boolean' }
  readonly help: OptionSpec & { readonly type: 'boolean' }
}

/** Options that every command takes. */
export const COMMON_OPTIONS: CommonOptions = {
  store: {
    type: 'string',
    value: 'ADDRESS',
    help: 's3://bucket/prefix?region=…, gs://bucket/prefix, file:PATH or memory:',
  },
  key: {
    type: 'string',
    multiple: true,
    value: 'KEY',
    help: 'env:NAME, file:PATH, passphrase:env:NAME, aws-kms:ARN, gcp-kms:NAME or plaintext; repeatable',
  },
  lock: { type: 'string', value: 'ADDRESS', help: 'store (beside the documents) or dynamodb://table?region=…' },
  json: { type: 'boolean', help: 'one JSON object on stdout, errors as JSON on stderr' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
}

/** What of a command the parser and the help need. */
export interface CommandSyntax {
  readonly name: string
  readonly about: string
  /** `NAME` is required, `FILE?` is not, and the last may be `NAME…` or `NAME…?`: as many as there are. */
  readonly positionals: readonly string[]
  /** What may stand behind `--`, such as `CMD…`: a program that the command runs. */
  readonly rest?: string
  readonly options: OptionTable
  /** What one types, and what it does. */
  readonly examples: readonly (readonly [string, string])[]
}

export interface ParsedArguments {
  values: Record<string, string | boolean | readonly string[] | undefined>
  positionals: string[]
  /** What stands behind `--`, for a syntax that takes such. */
  rest: string[] | undefined
}

/**
 * Reads what follows the command's name.
 *
 * @throws {KeelstateError} `InvalidOptions` that names the option nearest to an unknown one, a missing value, or a missing argument.
 */
export function parseArguments(args: readonly string[], syntax: CommandSyntax): ParsedArguments {
  const table: OptionTable = { ...syntax.options, ...COMMON_OPTIONS }
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
  )
  // Not strict: the parser's own complaint about an unknown option cannot say which known one is nearest.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const values: ParsedArguments['values'] = {}
  for (const [name, { type, multiple }] of Object.entries(table)) {
    values[name] = type === 'boolean' ? false : multiple ? [] : undefined
  }
  const positionals: string[] = []
  let rest: string[] | undefined
  for (const token of tokens) {
    if (token.kind === 'option-terminator' && syntax.rest !== undefined) rest = []
    if (token.kind === 'positional') (rest ?? positionals).push(token.value)
    if (token.kind !== 'option') continue
    const spec = Object.hasOwn(table, token.name) ? table[token.name]! : undefined
    if (spec === undefined) throw unknownOption(token.rawName, table, syntax.name)
    if (spec.type === 'boolean') {
      if (token.value !== undefined) throw usage(syntax.name, `${token.rawName} takes no value.`)
      values[token.name] = true
      continue
    }
    const { value } = token
    if (value === undefined) throw usage(syntax.name, `${token.rawName} needs a value (${spec.value}).`)
    if (!token.inlineValue && value.length > 1 && value.startsWith('-')) {
      const hint = `If the value begins with a dash, write --${token.name}=${shown(value)}`
      throw usage(syntax.name, `${token.rawName} needs a value (${spec.value}), but ${shown(value)} follows.`, hint)
    }
    values[token.name] = spec.multiple ? [...(values[token.name] as readonly string[]), value] : value
  }
  if (values.help !== true) checkPositionals(positionals, syntax)
  if (rest?.length === 0) throw usage(syntax.name, `After -- ${syntax.name} needs ${syntax.rest}.`)
  return { values, positionals, rest }
}

function checkPositionals(positionals: readonly string[], syntax: CommandSyntax): void {
  const missing = syntax.positionals.slice(positionals.length).find((name) => !name.endsWith('?'))
  if (missing !== undefined) throw usage(syntax.name, `${syntax.name} needs ${missing}.`)
  if (syntax.positionals.at(-1)?.includes('…')) return
  const extra = positionals[syntax.positionals.length]
  if (extra === undefined) return
  const hint =
    syntax.rest === undefined
      ? undefined
      : `A command to run stands behind --: keelstate ${syntax.name} … -- ${shown(extra)} …`
  throw usage(syntax.name, `${syntax.name} does not know what to do with ${JSON.stringify(shown(extra))}.`, hint)
}

function unknownOption(rawName: string, table: OptionTable, command: string): KeelstateError<'InvalidOptions'> {
  const what = suggestion(rawName.replace(/^-+/, ''), Object.keys(table), '--')
  return usage(command, `${command} has no option ${shown(rawName)}; ${what}.`)
}

/** A mistake in what was typed: exit code 2, with the way to the help. */
export function usage(command: string, message: string, hint?: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    operation: command,
    message,
    hint: hint ?? (command === 'keelstate' ? 'keelstate --help' : `keelstate ${command} --help`),
  })
}

/** `push NAME [FILE] [-m TEXT] …` */
export function synopsis(syntax: CommandSyntax): string {
  const positionals = syntax.positionals.map((name) => (name.endsWith('?') ? `[${name.slice(0, -1)}]` : name))
  const options = Object.entries(syntax.options).map(([name, spec]) => `[${flag(name, spec, true)}]`)
  const rest = syntax.rest === undefined ? [] : [`[-- ${syntax.rest}]`]
  return ['keelstate', syntax.name, ...positionals, ...options, ...rest].join(' ')
}

/** What `keelstate COMMAND --help` prints. */
export function commandHelp(syntax: CommandSyntax): string {
  const rows = (table: OptionTable) => Object.entries(table).map(([name, spec]) => [`  ${flag(name, spec)}`, spec.help])
  const examples = syntax.examples.map(([command, about]) => [`  keelstate ${command}`, about])
  return [
    `${synopsis(syntax)}\n\n${syntax.about}\n`,
    Object.keys(syntax.options).length > 0 ? `Options\n${columns(rows(syntax.options))}` : '',
    `Options of every command\n${columns(rows(COMMON_OPTIONS))}`,
    `Examples\n${columns(examples)}`,
  ]
    .filter((part) => part !== '')
    .join('\n')
}

function flag(name: string, spec: OptionSpec, brief = false): string {
  const value = spec.type === 'boolean' ? '' : ` ${spec.value}`
  if (spec.short === undefined) return `--${name}${value}`
  return brief ? `-${spec.short}${value}` : `-${spec.short}, --${name}${value}`
}
