import { open, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { KeelstateError } from '../core/errors.ts'
import { shown, suggestion } from './text.ts'

export const CONFIGURATION_FILE = 'keelstate.json'

/** What `keelstate.json` may hold; `keelstate.schema.json` says the same to an editor. */
export const FILE_SETTINGS = ['store', 'lock', 'keys', 'storeId', 'cache', 'spool'] as const

export interface ConfigurationFile {
  /** Absolute. */
  path: string
  store?: string
  /** Where locks live. */
  lock?: string
  keys?: string[]
  storeId?: string
  /** A folder, or `off`. */
  cache?: string
  /** A folder, or `off`. */
  spool?: string
}

/** The nearest `keelstate.json` in `folder` or above it. */
export async function findConfiguration(folder: string): Promise<ConfigurationFile | undefined> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = join(at, CONFIGURATION_FILE)
    const text = await readIfThere(path)
    if (text !== undefined) return parseConfiguration(text, path)
    if (dirname(at) === at) return undefined
  }
}

/** Writes a new `keelstate.json`; one that is there is never replaced. */
export async function writeConfiguration(
  path: string,
  content: Omit<ConfigurationFile, 'path' | 'cache' | 'spool'>,
): Promise<void> {
  const { store, lock, keys, storeId } = content
  const body = { $schema: './node_modules/keelstate/keelstate.schema.json', store, lock, keys, storeId }
  const file = await open(path, 'wx')
  try {
    await file.writeFile(`${JSON.stringify(body, undefined, 2)}\n`)
  } finally {
    await file.close()
  }
}

/** @throws {KeelstateError} `InvalidOptions` that names the file, the setting, and what it should be. */
export function parseConfiguration(text: string, path: string): ConfigurationFile {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, which may hold what somebody should not have written there.
    throw invalid(path, undefined, 'is not JSON', 'See keelstate.schema.json for what it may hold.')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw invalid(path, undefined, 'is no JSON object')
  for (const name of Object.keys(parsed)) {
    if (name === '$schema' || FILE_SETTINGS.some((known) => known === name)) continue
    throw invalid(path, name, `is not a setting; ${suggestion(name, FILE_SETTINGS)}`, 'See keelstate.schema.json.')
  }
  const { store, lock, keys, storeId, cache, spool } = parsed as Record<string, unknown>
  const file: ConfigurationFile = { path }
  if (store !== undefined) {
    if (typeof store !== 'string' || store === '')
      throw invalid(path, 'store', 'must be an address, such as "file:./state"')
    file.store = store
  }
  if (lock !== undefined) {
    if (typeof lock !== 'string' || lock === '')
      throw invalid(path, 'lock', 'must be "store" or an address such as "dynamodb://acme-locks?region=eu-west-1"')
    file.lock = lock
  }
  if (keys !== undefined) {
    const list = typeof keys === 'string' ? [keys] : keys
    if (!Array.isArray(list) || !list.every((key): key is string => typeof key === 'string' && key !== '')) {
      throw invalid(path, 'keys', 'must be a key such as "env:STATE_KEY", or a list of them')
    }
    file.keys = list
  }
  if (storeId !== undefined) {
    if (typeof storeId !== 'string' || !/^[0-9a-f]{32}$/.test(storeId))
      throw invalid(path, 'storeId', 'must be 32 hex digits')
    file.storeId = storeId
  }
  if (cache !== undefined) {
    if (typeof cache !== 'string' || cache === '') throw invalid(path, 'cache', 'must be "off" or a folder')
    file.cache = cache
  }
  if (spool !== undefined) {
    if (typeof spool !== 'string' || spool === '') throw invalid(path, 'spool', 'must be "off" or a folder')
    file.spool = spool
  }
  return file
}

function invalid(
  path: string,
  setting: string | undefined,
  why: string,
  hint?: string,
): KeelstateError<'InvalidOptions'> {
  const what = setting === undefined ? '' : `"${shown(setting)}" `
  return new KeelstateError('InvalidOptions', {
    operation: 'config',
    key: path,
    message: setting === undefined ? `${shown(path)} ${why}.` : `${shown(path)}: ${what}${why}.`,
    ...(setting === undefined ? {} : { details: { option: setting } }),
    ...(hint === undefined ? {} : { hint }),
  })
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new KeelstateError('InvalidOptions', {
      operation: 'config',
      key: path,
      message: `${shown(path)} cannot be read (${code}).`,
      cause,
    })
  }
}
