import { dirname, resolve } from 'node:path'
import { KeelstateError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { type ConfigurationFile, findConfiguration } from './configuration-file.ts'
import { parseDuration } from './durations.ts'

/** Where a value came from: `--store`, `KEELSTATE_STORE`, or the path of a `keelstate.json`. */
export interface Origin {
  readonly from: 'flag' | 'environment' | 'file'
  readonly name: string
}

export interface Setting<T> {
  /** As it was typed. */
  readonly typed: T
  /** With relative `file:` paths made absolute: against the file's folder for a file, else the working directory. */
  readonly value: T
  readonly origin: Origin
}

export interface Settings {
  readonly store?: Setting<string>
  /** Where locks live; beside the documents when it is not set. */
  readonly lock?: Setting<string>
  readonly keys?: Setting<readonly string[]>
  /** Only when it belongs to `store`: an id in a file says nothing about another store that a flag names. */
  readonly storeId?: Setting<string>
  /** How long to wait for another holder of a lock: a time such as `5m`. */
  readonly wait?: Setting<string>
  /** Owner id of the lock to work under. */
  readonly owner?: Setting<string>
  /** Where objects are kept on this machine: a folder, or `off`. */
  readonly cache?: Setting<string>
  /** Where what could not be saved is kept on this machine: a folder, or `off`. */
  readonly spool?: Setting<string>
  readonly file?: ConfigurationFile
}

export interface SettingFlags {
  readonly store?: string | undefined
  readonly lock?: string | undefined
  readonly key?: readonly string[]
  readonly wait?: string | undefined
  readonly owner?: string | undefined
}

/** What switches the cache or the spool off, in place of a folder. */
export const FOLDER_OFF = 'off'

const VARIABLES = 'KEELSTATE_'
const ENVIRONMENT_SETTINGS = ['STORE', 'LOCK', 'KEYS', 'WAIT', 'OWNER', 'CACHE', 'SPOOL'] as const

/**
 * Reads the settings: flag before environment before the nearest `keelstate.json`. An empty variable counts as not set.
 *
 * @throws {KeelstateError} `InvalidOptions` for an unknown setting, naming the nearest known one.
 */
export async function loadSettings(flags: SettingFlags, env: NodeJS.ProcessEnv, cwd: string): Promise<Settings> {
  const file = await findConfiguration(cwd)
  const fileOrigin: Origin | undefined = file && { from: 'file', name: file.path }
  const fileFolder = file === undefined ? cwd : dirname(file.path)
  const fromFlag = (name: string): Origin => ({ from: 'flag', name })
  const fromEnvironment = (name: string): Origin => ({ from: 'environment', name })

  const variableKeys = env.KEELSTATE_KEYS?.split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '')
  const keys = flags.key?.length
    ? keysSetting(flags.key, cwd, fromFlag('--key'))
    : variableKeys?.length
      ? keysSetting(variableKeys, cwd, fromEnvironment('KEELSTATE_KEYS'))
      : file?.keys?.length
        ? keysSetting(file.keys, fileFolder, fileOrigin!)
        : undefined

  const fileStore = file?.store === undefined ? undefined : storeSetting(file.store, fileFolder, fileOrigin!)
  const store = flags.store
    ? storeSetting(flags.store, cwd, fromFlag('--store'))
    : env.KEELSTATE_STORE
      ? storeSetting(env.KEELSTATE_STORE, cwd, fromEnvironment('KEELSTATE_STORE'))
      : fileStore

  const text = (name: 'lock' | 'wait' | 'owner', inFile?: string): Setting<string> | undefined => {
    const variable = `${VARIABLES}${name.toUpperCase()}`
    const flag = flags[name]
    if (flag) return { typed: flag, value: flag, origin: fromFlag(`--${name}`) }
    const set = env[variable]
    if (set) return { typed: set, value: set, origin: fromEnvironment(variable) }
    return inFile === undefined ? undefined : { typed: inFile, value: inFile, origin: fileOrigin! }
  }
  const lock = text('lock', file?.lock)
  const folder = (name: 'cache' | 'spool'): Setting<string> | undefined => {
    const variable = `${VARIABLES}${name.toUpperCase()}`
    const [set, inFile] = [env[variable], file?.[name]]
    if (set) return folderSetting(set, cwd, fromEnvironment(variable))
    return inFile === undefined ? undefined : folderSetting(inFile, fileFolder, fileOrigin!)
  }
  const [cache, spool] = [folder('cache'), folder('spool')]
  const wait = text('wait')
  const owner = text('owner')
  if (wait !== undefined) parseDuration(wait.value, wait.origin.name)
  const idApplies = file?.storeId !== undefined && store !== undefined && store.value === fileStore?.value
  refuseMisspelt(env, [...(keys?.value ?? []), ...(file?.keys ?? [])])
  return {
    ...(store && { store }),
    ...(lock && { lock }),
    ...(keys && { keys }),
    ...(wait && { wait }),
    ...(owner && { owner }),
    ...(cache && { cache }),
    ...(spool && { spool }),
    ...(idApplies && { storeId: { typed: file.storeId!, value: file.storeId!, origin: fileOrigin! } }),
    ...(file && { file }),
  }
}

/** `file:./x` against a folder; every other address or key is left as it is. */
export function resolvePath(address: string, folder: string): string {
  // A `file://` URL is absolute already, and `file:` alone is for the library to refuse.
  return /^file:(?!\/\/)./s.test(address) ? `file:${resolve(folder, address.slice('file:'.length))}` : address
}

function storeSetting(typed: string, folder: string, origin: Origin): Setting<string> {
  return { typed, value: resolvePath(typed, folder), origin }
}

function folderSetting(typed: string, folder: string, origin: Origin): Setting<string> {
  return { typed, value: typed === FOLDER_OFF ? typed : resolve(folder, typed), origin }
}

function keysSetting(typed: readonly string[], folder: string, origin: Origin): Setting<readonly string[]> {
  return { typed, value: typed.map((key) => resolvePath(key, folder)), origin }
}

/** A variable that is nearly one of ours would be passed over in silence, unless a key is read from it on purpose. */
function refuseMisspelt(env: NodeJS.ProcessEnv, keys: readonly string[]): void {
  for (const name of Object.keys(env)) {
    const setting = name.startsWith(VARIABLES) ? name.slice(VARIABLES.length) : ''
    if (setting === '' || ENVIRONMENT_SETTINGS.some((known) => known === setting)) continue
    if (keys.some((key) => key === `env:${name}` || key === `passphrase:env:${name}`)) continue
    const near = nearest(setting, ENVIRONMENT_SETTINGS)
    if (near === undefined) continue // somebody's own variable, not a misspelt one of ours
    throw new KeelstateError('InvalidOptions', {
      operation: 'config',
      message: `The environment variable ${name} is not a setting; the nearest is ${VARIABLES}${near}.`,
      hint: `Rename it, or name it in a key (--key env:${name}) if it holds one.`,
      details: { option: name },
    })
  }
}
