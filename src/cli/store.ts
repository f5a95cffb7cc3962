import { KeelstateError } from '../core/errors.ts'
import { defaultSpoolFolder } from '../core/spool.ts'
import { parseKey } from '../encrypt/key-address.ts'
import type { Store } from '../index.ts'
import { openStore } from '../open.ts'
import { FOLDER_OFF, type Settings } from './settings.ts'

export interface OpenNeeds {
  /** Headers are all that is read, so no key has to be configured. */
  keys?: 'none'
  /** Ask the store for its id, whatever the configuration says. */
  askForId?: boolean
}

/**
 * Opens the store that the settings name.
 *
 * @throws {KeelstateError} `InvalidOptions` that lists the choices when no store or no key is configured.
 */
export async function openConfiguredStore(settings: Settings, needs: OpenNeeds = {}): Promise<Store> {
  const { store, lock, keys, storeId, cache, spool } = settings
  if (store === undefined) {
    throw new KeelstateError('InvalidOptions', {
      operation: 'open',
      message: 'No store is configured.',
      details: { option: 'store' },
      hint: 'Name one: --store ADDRESS, KEELSTATE_STORE, or "store" in keelstate.json (keelstate init writes it). An address is s3://bucket/prefix, gs://bucket/prefix, file:PATH or memory:.',
    })
  }
  if (keys === undefined && needs.keys !== 'none') {
    throw new KeelstateError('InvalidOptions', {
      operation: 'open',
      message: 'No key is configured.',
      details: { option: 'keys' },
      hint: 'Name one: --key KEY, KEELSTATE_KEYS, or "keys" in keelstate.json. A key is env:NAME, file:PATH, passphrase:env:NAME, aws-kms:ARN, gcp-kms:NAME, or plaintext to store without encryption; keelstate init --new-key FILE makes one.',
    })
  }
  // As typed: what was made absolute no longer looks like a key that was written in the place of a path.
  for (const key of keys?.typed ?? []) parseKey(key)
  return await openStore({
    store: store.value,
    ...(lock && { lock: lock.value }),
    ...(cache && { cache: cache.value === FOLDER_OFF ? false : cache.value }),
    spool: spool === undefined ? defaultSpoolFolder() : spool.value === FOLDER_OFF ? false : spool.value,
    // With no key at hand the plaintext sealer serves: it reads every header, and no body is touched.
    keys: needs.keys === 'none' ? 'plaintext' : keys!.value,
    ...(storeId !== undefined && needs.askForId !== true && { storeId: storeId.value }),
  })
}
