import { dirname, join } from 'node:path'
import { KeelstateError } from '../core/errors.ts'
import { CONFIGURATION_FILE, writeConfiguration } from './configuration-file.ts'
import { resolvePath, type Setting, type Settings } from './settings.ts'
import { shown } from './text.ts'

/** What became of the configuration file. */
export interface Configured {
  file: string
  written: boolean
  /** What a person may want to do about a file that was left as it is. */
  note?: string
}

/** The settings with a key that is about to be made beside those that are configured; a configuration may already name it. */
export function withNewKey(settings: Settings, keyFile: string | undefined, cwd: string): Settings {
  if (keyFile === undefined) return settings
  const typed = `file:${keyFile}`
  const value = resolvePath(typed, cwd)
  const { keys } = settings
  if (keys?.value.includes(value)) return settings
  const made: Setting<readonly string[]> = {
    typed: [...(keys?.typed ?? []), typed],
    value: [...(keys?.value ?? []), value],
    origin: { from: 'flag', name: '--new-key' },
  }
  return { ...settings, keys: made }
}

/** @throws {KeelstateError} `InvalidOptions` when the configuration file speaks of another store than the one that answered. */
export function refuseForeignId(settings: Settings, storeId: string): void {
  if (settings.storeId === undefined || settings.storeId.value === storeId) return
  throw new KeelstateError('InvalidOptions', {
    operation: 'init',
    key: 'storeId',
    message: `${shown(settings.storeId.origin.name)} says that the store's id is ${settings.storeId.value}, the store says ${storeId}.`,
    hint: 'Another store stands at this address now. Check the address; remove "storeId" from the file if the change was meant.',
  })
}

/** Writes `keelstate.json` into the working directory, unless one that was found speaks of this store already. */
export async function configure(settings: Settings, storeId: string, cwd: string): Promise<Configured> {
  const here = join(cwd, CONFIGURATION_FILE)
  const { file, store, lock, keys } = settings
  if (file !== undefined) {
    const names = file.store !== undefined && resolvePath(file.store, dirname(file.path)) === store!.value
    if (names) {
      const note =
        file.storeId === undefined
          ? `add "storeId": "${storeId}" to it: every process is spared one request`
          : undefined
      return { file: file.path, written: false, ...(note !== undefined && { note }) }
    }
    if (file.path === here) return { file: here, written: false, note: 'it names another store; it is left as it is' }
  }
  await writeConfiguration(here, {
    store: store!.typed,
    ...(lock && { lock: lock.typed }),
    keys: [...keys!.typed],
    storeId,
  })
  return { file: here, written: true }
}
