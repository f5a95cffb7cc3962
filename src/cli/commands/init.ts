import { KeelstateError } from '../../core/errors.ts'
import { bytes, type Store } from '../../index.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { type Configured, configure, refuseForeignId, withNewKey } from '../first-settings.ts'
import { createKeyFile, removeKeyFile } from '../local-files.ts'
import { redactAddress } from '../redact.ts'
import { openConfiguredStore } from '../store.ts'
import { shown } from '../text.ts'

const OPENED_AT_MOST = 20 // documents tried before it is said that no key opens any

const options = {
  'new-key': {
    type: 'string',
    value: 'FILE',
    help: 'make a key: 32 random bytes in base64, mode 0600; never overwrites',
  },
} as const

interface Made {
  store: string
  storeId: string
  created: boolean
  /** The document that a configured key opened; absent when there is none. */
  opened?: string
  keyFile?: string
  configuration: Configured
}

async function init(call: Call<typeof options>): Promise<Made> {
  const { signal, host } = call
  const keyFile = call.options['new-key']
  const settings = withNewKey(await call.settings(), keyFile, host.cwd)
  if (keyFile !== undefined) await createKeyFile(keyFile, host.cwd)
  try {
    const store = await openConfiguredStore(settings, { askForId: true })
    try {
      const { storeId, created } = await store.init({ signal })
      refuseForeignId(settings, storeId)
      const opened = created ? undefined : await openAny(store, signal)
      const made = {
        store: redactAddress(settings.store!.value),
        storeId,
        created,
        ...(opened !== undefined && { opened }),
      }
      const configuration = await configure(settings, storeId, host.cwd)
      return { ...made, configuration, ...(keyFile !== undefined && { keyFile }) }
    } finally {
      await store.close()
    }
  } catch (error) {
    if (keyFile !== undefined) await removeKeyFile(keyFile, host.cwd)
    throw error
  }
}

/** Opens one document of a store that is in use, so that a wrong key is found now and not by the first push. */
async function openAny(store: Store, signal: AbortSignal): Promise<string | undefined> {
  let refused: unknown
  let tried = 0
  for await (const head of store.list({ all: true, signal })) {
    if ('problem' in head) continue
    const { name } = head
    if (++tried > OPENED_AT_MOST) break
    try {
      await store.document(name, bytes()).status({ signal })
      return name
    } catch (error) {
      if (!KeelstateError.is(error, 'DecryptFailed')) throw error
      refused ??= error
    }
  }
  if (refused !== undefined) throw refused
  return undefined
}

export const command: Command = defineCommand({
  name: 'init',
  about:
    'Makes the store at the configured address and writes keelstate.json. A store that exists is left as it is: a key is tried on it, and only a missing keelstate.json is written.',
  positionals: [],
  options,
  examples: [
    ['init --store file:./state --new-key state.key', 'a folder, with a key of its own'],
    [
      'init --store "s3://acme-state/prod?region=eu-west-1" --key env:STATE_KEY',
      'a bucket, with a key from the environment',
    ],
  ],
  run: init,
  async people({ store, storeId, created, opened, keyFile, configuration }, output) {
    await output.talk(`${created ? 'made' : 'there is already'} a store at ${store}, id ${storeId}`)
    if (opened !== undefined) await output.talk(`the configured key opens ${shown(opened)}`)
    if (keyFile !== undefined) {
      await output.talk(
        `made the key ${shown(keyFile)}: keep a copy, and keep it out of the repository; without it nothing opens`,
      )
    }
    await output.talk(`${configuration.written ? 'wrote' : 'kept'} ${shown(configuration.file)}`)
    if (configuration.note !== undefined) await output.talk(`  ${configuration.note}`)
  },
  json: ({ store, storeId, created, opened, keyFile, configuration }) => ({
    store,
    storeId,
    created,
    opened: opened ?? null,
    keyFile: keyFile ?? null,
    configuration: { file: configuration.file, written: configuration.written },
  }),
})
