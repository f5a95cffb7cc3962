import { type Call, type Command, defineCommand } from '../command.ts'
import { redactAddress, redactKey } from '../redact.ts'
import type { Origin } from '../settings.ts'
import { columns, shown } from '../text.ts'
import { DEFAULT_WAIT } from '../under-lock.ts'

const options = {} as const

/** What is meant when a setting is not set. */
const DEFAULTS: Readonly<Record<string, string>> = {
  lock: '(not set: beside the documents)',
  cache: '(not set: keelstate in the cache folder of this user)',
  spool: '(not set: keelstate/spool in the state folder of this user)',
  wait: `(not set: ${DEFAULT_WAIT})`,
}

interface Shown {
  name: string
  /** Redacted; null when the setting is not set. */
  value: string | readonly string[] | null
  origin: Origin | null
}

interface Configuration {
  file: string | null
  settings: Shown[]
}

async function config(call: Call<typeof options>): Promise<Configuration> {
  const { store, lock, keys, storeId, wait, owner, cache, spool, file } = await call.settings()
  return {
    file: file?.path ?? null,
    settings: [
      { name: 'store', value: store ? redactAddress(store.value) : null, origin: store?.origin ?? null },
      { name: 'lock', value: lock ? redactAddress(lock.value) : null, origin: lock?.origin ?? null },
      {
        name: 'keys',
        value: keys ? keys.typed.map((key, i) => redactKey(key, keys.value[i])) : null,
        origin: keys?.origin ?? null,
      },
      { name: 'storeId', value: storeId?.value ?? null, origin: storeId?.origin ?? null },
      { name: 'wait', value: wait?.value ?? null, origin: wait?.origin ?? null },
      { name: 'owner', value: owner ? shown(owner.value) : null, origin: owner?.origin ?? null },
      { name: 'cache', value: cache ? shown(cache.value) : null, origin: cache?.origin ?? null },
      { name: 'spool', value: spool ? shown(spool.value) : null, origin: spool?.origin ?? null },
    ],
  }
}

function originText(origin: Origin | null): string {
  if (origin === null) return ''
  return `from ${{ flag: 'the flag', environment: 'the environment:', file: 'the file' }[origin.from]} ${shown(origin.name)}`
}

export const command: Command = defineCommand({
  name: 'config',
  about:
    'Shows every setting and where it comes from: flag before environment before the nearest keelstate.json. Secrets are not shown.',
  positionals: [],
  options,
  examples: [['config', 'which store would be used here, and why']],
  run: config,
  async people({ file, settings }, output) {
    const rows = settings.map(({ name, value, origin }) => [
      name,
      value === null ? (DEFAULTS[name] ?? '(not set)') : typeof value === 'string' ? value : value.join(', '),
      originText(origin),
    ])
    await output.data(columns(rows))
    if (file === null) await output.talk('no keelstate.json here or above')
  },
  json: ({ file, settings }) => ({ file, settings }),
})
