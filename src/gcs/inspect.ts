import { clockFinding, connectionFinding, isAboutStore } from '../core/driver-inspection.ts'
import { printable } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import { STORE_KEY } from '../core/names.ts'
import { PROBES } from '../core/proof.ts'
import { endpointOf, type GcsSettings, isForeignService } from './options.ts'
import { dateOf, statusOf } from './translate.ts'

/** The members of a bucket's resource that are looked at. https://cloud.google.com/storage/docs/json_api/v1/buckets#resource */
interface Bucket {
  readonly versioning?: { readonly enabled?: boolean }
  readonly softDeletePolicy?: { readonly retentionDurationSeconds?: string }
  readonly lifecycle?: { readonly rule?: Rule[] }
  readonly iamConfiguration?: {
    readonly publicAccessPrevention?: string
    readonly uniformBucketLevelAccess?: { readonly enabled?: boolean }
  }
  readonly projectNumber?: string
  readonly encryption?: { readonly defaultKmsKeyName?: string }
}

interface Rule {
  readonly action?: { readonly type?: string }
  readonly condition?: Readonly<Record<string, unknown>>
}

/** Conditions that leave alone what is in use: of versions that are not live, and of a custom time, which keelstate sets on nothing. */
const OF_OTHERS = [
  'daysSinceNoncurrentTime',
  'noncurrentTimeBefore',
  'numNewerVersions',
  'daysSinceCustomTime',
  'customTimeBefore',
]

const CLOCK = 'Locks compare no clocks, but times of revisions are what this machine says.'
const PUBLIC = ['allUsers', 'allAuthenticatedUsers']
const PROBE = Buffer.from('keelstate')
const WRONG_MD5 = Buffer.alloc(16).toString('base64') // of nothing that anybody knows

/** What is asked about a bucket. */
export type GcsQuestion = 'bucket' | 'policy'

/** What a question was answered with. */
export interface GcsAnswered {
  readonly answer: Record<string, unknown>
  /** The service's clock, as its header says. */
  readonly date: string | undefined
}

/** How the driver asks; each rejects with the library's error. */
export interface AskGcs {
  ask(question: GcsQuestion): Promise<GcsAnswered>
  /** Uploads a new object under this name with a hash that may be wrong. */
  upload(name: string, bytes: Uint8Array, md5Hash: string): Promise<unknown>
  remove(name: string): Promise<void>
}

/** Looks at the bucket's settings, at who may enter it, at the clock, and whether damaged bodies are refused. */
export async function* inspectGcs(settings: GcsSettings, service: AskGcs): AsyncGenerator<Finding> {
  yield connectionFinding(endpointOf(settings))
  yield await checksums(settings.prefix, service)
  const sent = Date.now()
  const bucket = await answerTo('bucket', service)
  const clock = clockFinding(bucket.date, sent, Date.now(), CLOCK)
  if (clock !== undefined) yield clock
  if (bucket.answer === undefined) yield { check: 'settings', ...bucket.silence }
  else yield* judgeBucket(bucket.answer, settings)
  const policy = await answerTo('policy', service)
  yield policy.answer === undefined
    ? { check: 'public-policy', ...policy.silence }
    : publicPolicy(policy.answer as Policy, isPrevented((bucket.answer ?? {}) as Bucket))
}

type Answer =
  | GcsAnswered
  | { readonly answer?: undefined; readonly silence: Omit<Finding, 'check'>; readonly date: string | undefined }

const PERMISSIONS: Readonly<Record<GcsQuestion, string>> = {
  bucket: 'storage.buckets.get',
  policy: 'storage.buckets.getIamPolicy',
}
const SUBJECTS: Readonly<Record<GcsQuestion, string>> = {
  bucket: "the bucket's settings",
  policy: "the bucket's policy",
}

/** A refusal is an answer too: it tells the service's clock, and that somebody else has to look. */
async function answerTo(question: GcsQuestion, service: AskGcs): Promise<Answer> {
  try {
    return await service.ask(question)
  } catch (error) {
    const status = statusOf(error)
    if (status === undefined) throw error
    const date = dateOf(error)
    if (status === 403 || status === 401) {
      const says = `These credentials may not look at ${SUBJECTS[question]}.`
      const todo = `Let somebody look who may (${PERMISSIONS[question]}).`
      return { date, silence: { verdict: 'unknown', says, todo } }
    }
    return {
      date,
      silence: { verdict: 'unknown', says: `The service does not tell ${SUBJECTS[question]} (${status}).` },
    }
  }
}

/** A body whose hash is wrong has to be refused: it was damaged on its way. */
async function checksums(prefix: string, service: AskGcs): Promise<Finding> {
  const check = 'checksums'
  const name = `${prefix}${PROBES}checksum-${Math.random().toString(36).slice(2, 14)}`
  try {
    await service.upload(name, PROBE, WRONG_MD5)
  } catch (error) {
    const status = statusOf(error)
    if (status === 400) return { check, verdict: 'ok', says: 'A body that does not fit its checksum is refused.' }
    if (status === undefined) throw error
    return { check, verdict: 'unknown', says: `It could not be found out (${status}).` }
  }
  await service.remove(name).catch(() => undefined) // made a moment ago under a name of its own
  return {
    check,
    verdict: 'warning',
    says: 'A body that does not fit its checksum (md5Hash) is stored.',
    todo: 'What is damaged on its way is only found by who reads it. Use TLS to the service.',
  }
}

function judgeBucket(resource: Record<string, unknown>, settings: GcsSettings): Finding[] {
  const bucket = resource as Bucket
  return [
    versioning(bucket),
    lifecycle(bucket, settings.prefix),
    publicAccess(bucket),
    encryption(bucket),
    owner(bucket, isForeignService(settings)),
  ]
}

function versioning({ versioning, softDeletePolicy }: Bucket): Finding {
  const check = 'versioning'
  if (versioning?.enabled === true)
    return { check, verdict: 'ok', says: 'The bucket keeps versions: what is deleted or replaced can be brought back.' }
  if (Number(softDeletePolicy?.retentionDurationSeconds ?? 0) > 0)
    return { check, verdict: 'ok', says: 'The bucket keeps what was deleted or replaced for a time (soft delete).' }
  return {
    check,
    verdict: 'warning',
    says: 'The bucket keeps no versions: a head that somebody deletes is lost.',
    todo: 'Turn versioning on, or soft delete.',
  }
}

function lifecycle({ lifecycle: rules }: Bucket, prefix: string): Finding {
  const check = 'lifecycle'
  for (const { action, condition = {} } of rules?.rule ?? []) {
    if (action?.type !== 'Delete') continue
    if (condition.isLive === false || OF_OTHERS.some((name) => condition[name] !== undefined)) continue
    const under = Array.isArray(condition.matchesPrefix) ? (condition.matchesPrefix as string[]) : ['']
    const endings = Array.isArray(condition.matchesSuffix) ? (condition.matchesSuffix as string[]) : ['']
    if (under.some((start) => isAboutStore(start, prefix)) && endings.some(isOfKeys)) {
      return {
        check,
        verdict: 'unsafe',
        says: 'A lifecycle rule deletes objects of the store that are in use.',
        todo: 'Take the prefix of the store out of it: keelstate never deletes a head or a lock, and prune deletes what is not needed.',
      }
    }
  }
  return { check, verdict: 'ok', says: 'No lifecycle rule deletes what is in use.' }
}

/** Whether a key of a store may end so: heads and locks end in `~`, objects in hex digits, the marker in its name. */
function isOfKeys(ending: string): boolean {
  const last = ending.slice(ending.lastIndexOf('/') + 1)
  return last === '~' || /^[0-9a-f]*$/.test(last) || STORE_KEY.endsWith(last)
}

function publicAccess(bucket: Bucket): Finding {
  const check = 'public-access'
  if (isPrevented(bucket)) return { check, verdict: 'ok', says: 'Public access is prevented.' }
  const alsoEach =
    bucket.iamConfiguration?.uniformBucketLevelAccess?.enabled === true
      ? ''
      : ', and each object has a list of its own of who may read it'
  return {
    check,
    verdict: 'warning',
    says: `Public access is not prevented by the bucket${alsoEach}.`,
    todo: 'Enforce public access prevention.',
  }
}

function isPrevented({ iamConfiguration }: Bucket): boolean {
  return iamConfiguration?.publicAccessPrevention === 'enforced'
}

/** https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy#response */
interface Policy {
  readonly bindings?: readonly { readonly role?: unknown; readonly members?: unknown }[]
}

function publicPolicy({ bindings = [] }: Policy, prevented: boolean): Finding {
  const check = 'public-policy'
  const given = bindings.flatMap(({ role, members }) => {
    const who = Array.isArray(members) ? PUBLIC.find((member) => members.includes(member)) : undefined
    return who === undefined ? [] : [`${role} to ${who}`]
  })
  if (given.length === 0) return { check, verdict: 'ok', says: "The bucket's policy lets no public in." }
  const says = `The bucket's policy lets the public in: it gives ${printable(given.join(', '))}`
  if (prevented)
    return { check, verdict: 'warning', says: `${says}. Public access prevention keeps it out.`, todo: 'Take it back.' }
  return { check, verdict: 'unsafe', says: `${says}.`, todo: 'Take it back, and look at who read or wrote the bucket.' }
}

/** Names of buckets are everybody's: one that is deleted can be made anew in another project. */
function owner({ projectNumber }: Bucket, foreign: boolean): Finding {
  const check = 'owner'
  if (foreign) return { check, verdict: 'ok', says: 'The endpoint is of your own choosing.' }
  if (projectNumber === undefined) return { check, verdict: 'unknown', says: 'The service does not say whose it is.' }
  return {
    check,
    verdict: 'ok',
    says: `The bucket belongs to the project with the number ${printable(projectNumber)}.`,
  }
}

function encryption({ encryption: configured }: Bucket): Finding {
  const by = configured?.defaultKmsKeyName === undefined ? "with Google's keys" : 'with a key of Cloud KMS'
  return {
    check: 'encryption',
    verdict: 'ok',
    says: `The service encrypts at rest ${by}, beside keelstate's own envelope.`,
  }
}
