import { clockFinding, connectionFinding, isAboutStore } from '../core/driver-inspection.ts'
import type { Finding } from '../core/inspection.ts'
import { PROBES } from '../core/proof.ts'
import type { S3Answered, S3Question } from './client.ts'
import { isForeignService, type S3Settings } from './options.ts'

/** Asks the service; rejects with the SDK's error. */
export type AskS3 = (question: S3Question, input?: object) => Promise<S3Answered>

const CLOCK =
  'Locks compare no clocks, but times of revisions are what this machine says, and S3 refuses requests that are 15 minutes off.'
const ARCHIVES = ['GLACIER', 'DEEP_ARCHIVE']

type Row = readonly [check: string, question: S3Question, judge: (answer: Answer, settings: S3Settings) => Judged]
type Judged = Omit<Finding, 'check'>
/** What a question was answered with: the document, or the code of a 404. */
interface Answer {
  readonly found?: Record<string, unknown>
  readonly absent?: string
}

/** What is looked at: each one request, which asks and changes nothing. */
const ROWS: readonly Row[] = [
  ['versioning', 'GetBucketVersioning', versioning],
  ['lifecycle', 'GetBucketLifecycleConfiguration', lifecycle],
  ['public-access', 'GetPublicAccessBlock', publicAccess],
  ['public-policy', 'GetBucketPolicyStatus', publicPolicy],
  ['tls', 'GetBucketPolicy', tlsPolicy],
  ['encryption', 'GetBucketEncryption', encryption],
]
const OF_AWS_ONLY = ['public-access', 'public-policy', 'tls', 'encryption']

/** Looks at the bucket's settings, the clock, and whether damaged bodies are refused. */
export async function* inspectS3(settings: S3Settings, ask: AskS3): AsyncGenerator<Finding> {
  const foreign = isForeignService(settings)
  const connection = connectionFinding(settings.destination)
  if (foreign || connection.verdict === 'warning') yield connection
  yield* clock(ask)
  yield await checksums(settings, ask)
  yield owner(settings, foreign)
  for (const [check, question, judge] of ROWS) {
    if (foreign && OF_AWS_ONLY.includes(check)) continue // each vendor has its own
    yield { check, ...(await judged(question, judge, settings, ask)) }
  }
}

async function judged(question: S3Question, judge: Row[2], settings: S3Settings, ask: AskS3): Promise<Judged> {
  try {
    return judge({ found: (await ask(question)).answer }, settings)
  } catch (error) {
    const { name, status } = failureOf(error)
    if (status === 404) return judge({ absent: name }, settings)
    if (status === undefined) throw error
    if (status === 403) {
      return {
        verdict: 'unknown',
        says: 'These credentials may not look at it.',
        todo: `Let somebody look who may (s3:${PERMISSIONS[question] ?? question}).`,
      }
    }
    return { verdict: 'unknown', says: `The service does not say (${name}).` }
  }
}

const PERMISSIONS: Partial<Record<S3Question, string>> = {
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  GetPublicAccessBlock: 'GetBucketPublicAccessBlock',
  GetBucketEncryption: 'GetEncryptionConfiguration',
}

async function* clock(ask: AskS3): AsyncGenerator<Finding> {
  const sent = Date.now()
  // A refusal tells the time, too: not everybody may ask for the bucket.
  const date = await ask('HeadBucket').then(({ date }) => date, dateOf)
  const finding = clockFinding(date, sent, Date.now(), CLOCK)
  if (finding !== undefined) yield finding
  else yield { check: 'clock', verdict: 'unknown', says: "The service's answer does not tell its time." }
}

/** A body whose checksum is wrong has to be refused: it was damaged on its way. */
async function checksums(settings: S3Settings, ask: AskS3): Promise<Finding> {
  const check = 'checksums'
  const key = `${settings.prefix}${PROBES}checksum-${Math.random().toString(36).slice(2, 14)}`
  try {
    await ask('PutObject', {
      Key: key,
      Body: Buffer.from('keelstate'),
      ContentLength: 9,
      ChecksumCRC32: 'AAAAAA==',
      IfNoneMatch: '*',
    })
  } catch (error) {
    const { name, status } = failureOf(error)
    if (status === 400) return { check, verdict: 'ok', says: 'A body that does not fit its checksum is refused.' }
    if (status === undefined) throw error
    return { check, verdict: 'unknown', says: `It could not be found out (${name}).` }
  }
  await ask('DeleteObject', { Key: key }).catch(() => undefined) // made a moment ago under a name of its own
  return {
    check,
    verdict: 'warning',
    says: 'A body that does not fit its checksum (x-amz-checksum-crc32) is stored.',
    todo: 'What is damaged on its way is only found by who reads it. Use TLS to the service.',
  }
}

function owner({ expectedBucketOwner }: S3Settings, foreign: boolean): Finding {
  const check = 'owner'
  if (expectedBucketOwner !== undefined)
    return {
      check,
      verdict: 'ok',
      says: `Every request names the account that has to own the bucket (${expectedBucketOwner}).`,
    }
  if (foreign) return { check, verdict: 'ok', says: 'The endpoint is of your own choosing.' }
  return {
    check,
    verdict: 'warning',
    says: 'Nothing says whose bucket this has to be: one that is deleted can be made anew by anybody under the same name.',
    todo: 'Add expectedBucketOwner=ACCOUNT-ID to the address.',
  }
}

function versioning({ found }: Answer): Judged {
  if (found?.Status === 'Enabled')
    return { verdict: 'ok', says: 'The bucket keeps versions: what is deleted or replaced can be brought back.' }
  return {
    verdict: 'warning',
    says: 'The bucket keeps no versions: a head that somebody deletes is lost.',
    todo: 'Turn versioning on, with a lifecycle rule for noncurrent versions (infra/aws has both).',
  }
}

function lifecycle({ found }: Answer, { prefix }: S3Settings): Judged {
  const rules = Array.isArray(found?.Rules) ? (found.Rules as LifecycleRule[]) : []
  for (const rule of rules.filter(({ Status }) => Status === 'Enabled')) {
    const { And, Tag } = rule.Filter ?? {}
    if (Tag !== undefined || (And?.Tags ?? []).length > 0) continue // keelstate's objects bear none
    const under = rule.Filter?.Prefix ?? And?.Prefix ?? rule.Prefix ?? ''
    if (!isAboutStore(under, prefix)) continue
    const name = rule.ID === undefined ? 'A lifecycle rule' : `The lifecycle rule ${rule.ID}`
    const todo =
      'Take the prefix of the store out of it: keelstate never deletes a head or a lock, and prune deletes what is not needed.'
    if (rule.Expiration?.Days !== undefined || rule.Expiration?.Date !== undefined)
      return { verdict: 'unsafe', says: `${name} deletes objects of the store that are in use.`, todo }
    if (rule.Transitions?.some(({ StorageClass }) => ARCHIVES.includes(StorageClass ?? '')))
      return { verdict: 'unsafe', says: `${name} archives objects of the store, which cannot be read then.`, todo }
  }
  return { verdict: 'ok', says: 'No lifecycle rule deletes or archives what is in use.' }
}

interface LifecycleRule {
  readonly ID?: string
  readonly Status?: string
  readonly Prefix?: string
  readonly Filter?: {
    readonly Prefix?: string
    readonly Tag?: object
    readonly And?: { readonly Prefix?: string; readonly Tags?: object[] }
  }
  readonly Expiration?: { readonly Days?: number; readonly Date?: unknown }
  readonly Transitions?: { readonly StorageClass?: string }[]
}

function publicAccess({ found }: Answer): Judged {
  const { PublicAccessBlockConfiguration: block } = (found ?? {}) as {
    PublicAccessBlockConfiguration?: Record<string, unknown>
  }
  const wanted = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']
  const off = wanted.filter((name) => block?.[name] !== true)
  if (off.length === 0) return { verdict: 'ok', says: 'Public access is blocked.' }
  return {
    verdict: 'warning',
    says: `Public access is not blocked by the bucket (${off.join(', ')}).`,
    todo: 'Turn Block Public Access on.',
  }
}

function publicPolicy({ found }: Answer): Judged {
  const { PolicyStatus } = (found ?? {}) as { PolicyStatus?: { IsPublic?: unknown } }
  if (PolicyStatus?.IsPublic !== true) return { verdict: 'ok', says: "The bucket's policy lets no public in." }
  return {
    verdict: 'unsafe',
    says: "The bucket's policy lets the public in.",
    todo: 'Take it back, and look at who read or wrote the bucket.',
  }
}

function tlsPolicy({ found }: Answer): Judged {
  if (deniesPlainHttp(found?.Policy)) return { verdict: 'ok', says: "The bucket's policy denies plain HTTP." }
  return {
    verdict: 'warning',
    says: "The bucket's policy does not deny plain HTTP.",
    todo: 'Deny requests where aws:SecureTransport is false (infra/aws does).',
  }
}

function deniesPlainHttp(policy: unknown): boolean {
  if (typeof policy !== 'string') return false
  try {
    const { Statement } = JSON.parse(policy) as { Statement?: unknown }
    const statements = (Array.isArray(Statement) ? Statement : [Statement]) as {
      Effect?: string
      Condition?: { Bool?: Record<string, unknown> }
    }[]
    return statements.some(
      ({ Effect, Condition }) => Effect === 'Deny' && String(Condition?.Bool?.['aws:SecureTransport']) === 'false',
    )
  } catch {
    return false
  }
}

function encryption({ found }: Answer): Judged {
  const { ServerSideEncryptionConfiguration: configured } = (found ?? {}) as {
    ServerSideEncryptionConfiguration?: { Rules?: { ApplyServerSideEncryptionByDefault?: { SSEAlgorithm?: string } }[] }
  }
  const algorithm = configured?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm
  if (algorithm !== undefined)
    return { verdict: 'ok', says: `The service encrypts at rest (${algorithm}), beside keelstate's own envelope.` }
  return {
    verdict: 'warning',
    says: 'The bucket has no encryption at rest by default.',
    todo: 'Turn SSE-S3 on: it costs nothing.',
  }
}

/** The header of an answer that was no success: the SDK keeps the answer with its error. */
function dateOf(error: unknown): string | undefined {
  const { $response } = Object(error) as { $response?: { headers?: { date?: string } } }
  return $response?.headers?.date
}

function failureOf(error: unknown): { name: string; status: number | undefined } {
  const { name, $metadata } = Object(error) as { name?: unknown; $metadata?: { httpStatusCode?: unknown } }
  const status = $metadata?.httpStatusCode
  return { name: typeof name === 'string' ? name : 'unknown', status: typeof status === 'number' ? status : undefined }
}
