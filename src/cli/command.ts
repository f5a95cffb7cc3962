import type { KeelstateError } from '../core/errors.ts'
import type { Store } from '../index.ts'
import {
  COMMON_OPTIONS,
  type CommandSyntax,
  type CommonOptions,
  type OptionTable,
  type OptionValues,
  parseArguments,
} from './arguments.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { Host } from './host.ts'
import type { JsonBody, Output } from './output.ts'
import { type Progress, startProgress } from './progress.ts'
import { loadSettings, type Settings } from './settings.ts'
import type { OpenNeeds } from './store.ts'
import { tellWarnings } from './warnings.ts'

/** What a command's `run` works with. */
export interface Call<T extends OptionTable = OptionTable> {
  readonly host: Host
  /** Fires when the command shall stop; goes into every library call. */
  readonly signal: AbortSignal
  readonly options: OptionValues<T & CommonOptions>
  /** In the order of the syntax; those with `?` may be missing. */
  readonly positionals: readonly string[]
  /** What stands behind `--`, for a command that takes a program to run; `undefined` without `--`. */
  readonly rest: readonly string[] | undefined
  readonly output: Output
  readonly progress: Progress
  settings(): Promise<Settings>
  /** The configured store. It is closed when the command ends. */
  open(needs?: OpenNeeds): Promise<Store>
}

/** One command: what may be typed, one thing done through the library, and how its result is shown. */
export interface CommandDefinition<T extends OptionTable, R> extends CommandSyntax {
  readonly options: T
  run(call: Call<T>): Promise<R>
  /** The result for people: data by `output.data`, talk by `output.talk`. */
  people(result: R, output: Output): Promise<void>
  /** The same for `--json`. */
  json(result: R): JsonBody
  /** What a completed run may still have to report as a failure, such as damage that was found. */
  failure?(result: R): KeelstateError | undefined
  /** Another exit code than 0 for a run that did not fail. */
  exit?(result: R): number
}

/** A command as the dispatcher sees it. */
export interface Command extends CommandSyntax {
  /** Runs it, prints what it has to print, and resolves to the exit code. */
  execute(args: readonly string[], host: Host, output: Output): Promise<number>
}

export function defineCommand<T extends OptionTable, R>(definition: CommandDefinition<T, R>): Command {
  return {
    ...definition,
    async execute(args, host, output) {
      const { values, positionals, rest } = parseArguments(args, definition)
      const options = values as unknown as Call<T>['options'] & OptionValues<CommonOptions>
      const progress = startProgress(definition.name, host.stderr)
      const stores: Store[] = []
      const stopTelling = tellWarnings(output)
      let settings: Promise<Settings> | undefined
      const call: Call<T> = {
        host,
        signal: host.signal,
        options,
        positionals,
        rest,
        output,
        progress,
        settings: () => (settings ??= loadSettings(options, host.env, host.cwd)),
        async open(needs) {
          // Loaded here, so that help and mistakes in what was typed cost no drivers and no envelope.
          const { openConfiguredStore } = await import('./store.ts')
          const store = await openConfiguredStore(await call.settings(), needs)
          stores.push(store)
          return store
        },
      }
      try {
        const result = await definition.run(call)
        progress.stop()
        const failure = definition.failure?.(result)
        if (output.json && failure !== undefined) {
          await output.failure(failure, { command: definition.name, body: definition.json(result) })
        } else if (output.json) {
          await output.result(definition.name, definition.json(result))
        } else {
          await definition.people(result, output)
          if (failure !== undefined) await output.failure(failure)
        }
        return failure === undefined ? (definition.exit?.(result) ?? EXIT.done) : exitCodeOf(failure)
      } finally {
        progress.stop()
        for (const store of stores) await store.close()
        stopTelling()
      }
    },
  }
}

/** Tells whether `args` ask for the help of a command; works for arguments that are otherwise wrong. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).some(
    (arg) => arg === '--help' || arg === `-${COMMON_OPTIONS.help.short}`,
  )
}
