import type { Finding } from '../core/inspection.ts'
import { PROBES } from '../core/proof.ts'

/** The members of a bucket's resource that are looked at. https://cloud.google.com/storage/docs/json_api/v1/buckets#resource */
interface Bucket {
  readonly versioning?: { readonly enabled?: boolean }
  readonly softDeletePolicy?: { readonly retentionDurationSeconds?: string }
  readonly lifecycle?: { readonly rule?: Rule[] }
  readonly iamConfiguration?: {
    readonly publicAccessPrevention?: string
    readonly uniformBucketLevelAccess?: { readonly enabled?: boolean }
  }
  readonly encryption?: { readonly defaultKmsKeyName?: string }
}

interface Rule {
  readonly action?: { readonly type?: string }
  readonly condition?: Readonly<Record<string, unknown>>
}

/** Conditions that leave live versions alone. */
const OF_NONCURRENT = ['daysSinceNoncurrentTime', 'noncurrentTimeBefore', 'numNewerVersions']

/** Looks at a bucket's settings. */
export function judgeBucket(resource: Record<string, unknown>, prefix: string): Finding[] {
  const bucket = resource as Bucket
  return [versioning(bucket), lifecycle(bucket, prefix), ...access(bucket), encryption(bucket)]
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
    if (condition.isLive === false || OF_NONCURRENT.some((name) => condition[name] !== undefined)) continue
    const under = Array.isArray(condition.matchesPrefix) ? (condition.matchesPrefix as string[]) : ['']
    const hit = under.some(
      (start) =>
        (start.startsWith(prefix) || prefix.startsWith(start)) &&
        !start.startsWith(`${prefix}doctor/`) &&
        !start.startsWith(prefix + PROBES),
    )
    if (hit) {
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

function access({ iamConfiguration }: Bucket): Finding[] {
  const enforced = iamConfiguration?.publicAccessPrevention === 'enforced'
  return [
    enforced
      ? { check: 'public-access', verdict: 'ok', says: 'Public access is prevented.' }
      : {
          check: 'public-access',
          verdict: 'warning',
          says: 'Public access is not prevented by the bucket.',
          todo: 'Enforce public access prevention.',
        },
  ]
}

function encryption({ encryption: configured }: Bucket): Finding {
  const by = configured?.defaultKmsKeyName === undefined ? "with Google's keys" : 'with a key of Cloud KMS'
  return {
    check: 'encryption',
    verdict: 'ok',
    says: `The service encrypts at rest ${by}, beside keelstate's own envelope.`,
  }
}
