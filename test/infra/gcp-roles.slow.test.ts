import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { GcpKmsProvider } from '../../src/encrypt/index.ts'
import { gcsStore } from '../../src/gcs/index.ts'
import { doctor, json, type ObjectStore, openStore, type Store } from '../../src/index.ts'
import {
  type GcpKmsKey,
  type GcpKmsPermission,
  type GcpKmsServer,
  type GcsDenial,
  type GcsPermission,
  type GcsServer,
  startGcpKmsServer,
  startGcsServer,
} from '../../src/testing/index.ts'
import { layout } from './terraform.ts'
import { collect, read, write } from './work.ts'

// The roles of infra/gcp/layout.yaml against strict servers of Cloud Storage and Cloud KMS, by the real clients.

const PREFIX = 'prod/eu'
const PLACES = ['store', 'doctor/', ...Object.keys(layout.history)]
const ADMIN = 'token-of-the-administrator'
const TESTED = 'token-of-the-role'
const PERMISSIONS: readonly GcsPermission[] = [
  'storage.buckets.get',
  'storage.buckets.getIamPolicy',
  'storage.objects.create',
  'storage.objects.delete',
  'storage.objects.get',
  'storage.objects.list',
  'storage.objects.update',
]
const KEY_ROLES: Readonly<Record<string, GcpKmsPermission>> = {
  'roles/cloudkms.cryptoKeyDecrypter': 'cloudkms.cryptoKeyVersions.useToDecrypt',
  'roles/cloudkms.cryptoKeyEncrypter': 'cloudkms.cryptoKeyVersions.useToEncrypt',
}
const ROLES = Object.keys(layout.roles) as Role[]

type Role = 'maintainer' | 'reader' | 'writer'

/** One permission in one place: below the prefix, on the bucket, or on the key. */
interface Grant {
  readonly permission: string
  readonly place: string
}

let gcs: GcsServer
let kms: GcpKmsServer
let key: GcpKmsKey
let bucket: string
let buckets = 0

beforeAll(async () => {
  gcs = await startGcsServer({ credentials: [{ token: ADMIN }, { token: TESTED }] })
  kms = await startGcpKmsServer({ credentials: [{ token: ADMIN }, { token: TESTED }] })
  key = kms.createKey('state')
})
beforeEach(() => {
  buckets += 1
  bucket = `acme-state-${buckets}`
  gcs.createBucket(bucket)
})
afterAll(() => Promise.all([gcs.close(), kms.close()]))

/** What a role has, with what the roles before it have: they add up. */
function grantsOf(role: Role): Grant[] {
  return ROLES.slice(0, ROLES.indexOf(role) + 1).flatMap((one) => {
    const { key, bucket, objects } = layout.roles[one]!
    return [
      ...(key === null ? [] : [{ permission: KEY_ROLES[key]!, place: 'key' }]),
      ...bucket.map((permission) => ({ permission, place: 'bucket' })),
      ...objects.flatMap(({ places, permissions }) =>
        places.flatMap((place) => permissions.map((permission) => ({ permission, place }))),
      ),
    ]
  })
}

/** Lets the tested caller do exactly that. */
function grant(grants: readonly Grant[]): void {
  const granted = (permission: string, place: string) =>
    grants.some((one) => one.permission === permission && (one.place === place || one.place === ''))
  const denials = PERMISSIONS.flatMap((permission): GcsDenial[] => {
    if (granted(permission, 'bucket')) return []
    const free = PLACES.filter((place) => granted(permission, place))
    if (free.length === 0) return [permission]
    const shut = PLACES.filter((place) => !free.includes(place))
    return shut.map((place) => ({ permission, name: `${PREFIX}/${place}${place.endsWith('/') ? '*' : ''}` }))
  })
  gcs.deny(TESTED, denials)
  kms.deny(
    TESTED,
    Object.values(KEY_ROLES).filter((permission) => !granted(permission, 'key')),
  )
}

function bucketAs(token: string): ObjectStore {
  const credentials = async () => token
  return gcsStore({ bucket, prefix: PREFIX, endpoint: gcs.endpoint, conditionalWrites: 'trusted', credentials })
}

/** Fails, as other work does, when something could not be looked at. */
async function examine(): Promise<void> {
  const { findings } = await doctor({ store: bucketAs(TESTED), rounds: 1 })
  const hidden = findings.find(({ verdict }) => verdict === 'unknown')
  if (hidden !== undefined) throw new KeelstateError('AccessDenied', { message: hidden.says })
}

async function as<T>(token: string, work: (store: Store) => Promise<T>): Promise<T> {
  const credentials = async () => token
  const store = bucketAs(token)
  const keys = new GcpKmsProvider({ key: `${key.name}?endpoint=${kms.endpoint}`, credentials })
  await using opened = await openStore({ store, keys, memory: false })
  return await work(opened)
}

/** What each role does, on a bucket that is prepared for it. */
const WORK: Readonly<Record<Role, { prepare(): Promise<void>; work(store: Store): Promise<void> }>> = {
  reader: {
    prepare: () =>
      as(
        ADMIN,
        makeWith((store) => write(store)),
      ),
    work: read,
  },
  writer: {
    prepare: () =>
      as(
        ADMIN,
        makeWith(async () => {}),
      ),
    work: (store) => write(store),
  },
  maintainer: {
    prepare: async () => {},
    async work(store) {
      await store.init()
      await write(store)
      await collect(store)
      await examine()
    },
  },
}

function makeWith(more: (store: Store) => Promise<void>): (store: Store) => Promise<void> {
  return async (store) => {
    await store.init()
    await more(store)
  }
}

describe('the roles of infra/gcp', () => {
  it.each(ROLES)('let the %s do all of its work', async (role) => {
    await WORK[role].prepare()
    grant(grantsOf(role))
    await as(TESTED, WORK[role].work)
  })

  const own = ROLES.flatMap((role, n) => {
    const before = n === 0 ? [] : grantsOf(ROLES[n - 1]!)
    // Records come with a later release: the place is reserved.
    return grantsOf(role)
      .slice(before.length)
      .filter(({ place }) => place !== 'records/')
      .map(({ permission, place }) => [role, permission, place] as const)
  })
  it.each(own)(
    'give the %s nothing that it does not need: without %s on "%s" it is refused',
    async (role, permission, place) => {
      await WORK[role].prepare()
      grant(grantsOf(role).filter((one) => one.permission !== permission || one.place !== place))
      const refused = await as(TESTED, WORK[role].work).catch((error: unknown) => error)
      expect(KeelstateError.is(refused, 'AccessDenied'), String(refused)).toBe(true)
    },
  )

  it('let a reader change nothing, and a writer neither make a store nor collect', async () => {
    const refusal = (work: Promise<unknown>) =>
      work.then(
        () => 'done',
        (error: KeelstateError) => error.code,
      )
    grant(grantsOf('writer'))
    expect(await refusal(as(TESTED, (store) => store.init()))).toBe('AccessDenied')
    await as(
      ADMIN,
      makeWith((store) => write(store)),
    )
    expect(await refusal(as(TESTED, collect))).toBe('AccessDenied')
    grant(grantsOf('reader'))
    for (const name of ['shop/prod', 'shop/new']) {
      const document = (store: Store) => store.document(name, json())
      expect(await refusal(as(TESTED, (store) => document(store).commit(1, { parent: 'any' })))).toBe('AccessDenied')
      expect(await refusal(as(TESTED, (store) => document(store).lock({ operation: 'x' })))).toBe('AccessDenied')
    }
  })
})
