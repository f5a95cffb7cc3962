import { describe, expect, it } from 'vitest'
import { headKey, lockKey, objectKey, parseName } from '../../src/core/names.ts'
import { parseKey } from '../../src/encrypt/index.ts'
import { parseGcsAddress } from '../../src/gcs/index.ts'
import { Template } from './template.ts'
import { blocks, layout, moduleText, pageOf, withoutComments } from './terraform.ts'

const text = moduleText()
const variables = blocks(text, 'variable')
const resources = blocks(text, 'resource')
const outputs = blocks(text, 'output')
const aws = new Template({ BucketName: 'acme-state' })

interface LifecycleRule {
  Prefix: string
  NoncurrentVersionExpiration?: { NoncurrentDays: number }
}

describe('the layout of infra/gcp', () => {
  const places = Object.keys(layout.history)

  it('has the places where keelstate keeps things', () => {
    const name = parseName('shop/prod')
    for (const key of [headKey(name), lockKey(name), objectKey(name, 'id')])
      expect(places).toContain(`${key.split('/')[0]}/`)
    expect(places.toSorted()).toEqual(['heads/', 'locks/', 'objects/', 'records/'])
  })

  it('keeps what was replaced for as long as infra/aws does, place by place', () => {
    const days = { HistoryDays: 91, LockHistoryDays: 17 }
    const template = new Template({ BucketName: 'acme-state', ...days } as never)
    const { LifecycleConfiguration } = template.properties<{ LifecycleConfiguration: { Rules: LifecycleRule[] } }>(
      'Bucket',
    )
    const rules = LifecycleConfiguration.Rules.filter((rule) => rule.NoncurrentVersionExpiration !== undefined)
    const kept = Object.fromEntries(
      rules.map((rule) => [rule.Prefix, Number(rule.NoncurrentVersionExpiration!.NoncurrentDays)]),
    )
    const own = { history_days: days.HistoryDays, lock_history_days: days.LockHistoryDays } as Record<string, number>
    expect(Object.fromEntries(Object.entries(layout.history).map(([place, days]) => [place, own[days]]))).toEqual(kept)
  })

  it('lets the same roles create in the same places as infra/aws does', () => {
    const creates = (role: string) =>
      layout.roles[role]!.objects.filter(({ permissions }) => permissions.includes('storage.objects.create')).flatMap(
        (grant) => grant.places,
      )
    for (const [role, resource] of [
      ['reader', 'Reader'],
      ['writer', 'Writer'],
      ['maintainer', 'Maintainer'],
    ] as const) {
      const puts = aws.statements(resource).filter(({ Action }) => Action.includes('s3:PutObject'))
      const there = puts.flatMap(({ Resource }) => Resource.map((arn) => arn.replace(/^.*?\/|\*$/g, '')))
      expect(creates(role).toSorted()).toEqual(there.toSorted())
    }
    expect(Object.keys(layout.roles)).toEqual(['reader', 'writer', 'maintainer'])
  })
})

describe('the Terraform module of infra/gcp', () => {
  it('uses every variable and local that it declares, and none that it does not', () => {
    const declared = [...variables.keys()].map((name) => `var.${name}`)
    const locals = [...text.matchAll(/^locals \{$([\s\S]*?)^\}$/gm)].flatMap(([, body]) =>
      [...body!.matchAll(/^ {2}(\w+)\s+=/gm)].map(([, name]) => `local.${name}`),
    )
    const used = new Set([...text.matchAll(/\b(?:var|local)\.\w+/g)].map(([name]) => name))
    const outside = [...text.matchAll(/\b(?:var|local)\.\w+/g)].filter(
      ({ 0: name, index }) => name.startsWith('local.') || !insideOf(variables.get(name.slice('var.'.length)), index),
    )
    expect([...used].toSorted()).toEqual([...declared, ...locals].toSorted())
    expect(new Set(outside.map(([name]) => name))).toEqual(used)
  })

  it('refers to no resource and no data that it does not have', () => {
    const had = [...resources.keys(), ...[...blocks(text, 'data').keys()].map((name) => `data.${name}`)]
    const named = [...text.matchAll(/\b(?:data\.)?google_\w+\.\w+/g)].map(([name]) => name)
    expect(named.length).toBeGreaterThan(8)
    for (const name of named) expect(had).toContain(name)
    expect([...resources.keys()].toSorted()).toEqual([
      'google_kms_crypto_key.state',
      'google_kms_crypto_key_iam_binding.state',
      'google_kms_crypto_key_iam_member.storage',
      'google_kms_key_ring.state',
      'google_project_iam_custom_role.state',
      'google_storage_bucket.state',
      'google_storage_bucket_iam_binding.state',
    ])
  })

  it('makes a bucket that keeps its history, is nobody’s but its users’, and cannot be destroyed by accident', () => {
    const bucket = resources.get('google_storage_bucket.state')!
    for (const says of [
      /uniform_bucket_level_access = true/,
      /public_access_prevention\s+= "enforced"/,
      /force_destroy\s+= false/,
      /versioning \{\s+enabled = true/,
      /soft_delete_policy \{\s+retention_duration_seconds = var\.soft_delete_days \* 86400/,
      /for_each = local\.layout\.history/,
      /matches_prefix\s+= \["\$\{local\.prefix\}\$\{lifecycle_rule\.key\}"\]/,
      /with_state\s+= "ARCHIVED"/, // what is live is never removed
    ])
      expect(bucket).toMatch(says)
    expect(bucket).not.toMatch(/retention_policy|default_event_based_hold/) // heads and locks are replaced all the time
    for (const kept of ['google_storage_bucket.state', 'google_kms_key_ring.state', 'google_kms_crypto_key.state'])
      expect(resources.get(kept)).toMatch(/lifecycle \{\s+prevent_destroy = true/)
  })

  it('makes a key that encrypts, is rotated, and is destroyed only after a month', () => {
    const key = resources.get('google_kms_crypto_key.state')!
    expect(key).toMatch(/purpose\s+= "ENCRYPT_DECRYPT"/)
    expect(key).toMatch(/rotation_period\s+= "\$\{var\.key_rotation_days \* 86400\}s"/)
    expect(key).toMatch(/destroy_scheduled_duration\s+= "\$\{30 \* 86400\}s"/)
  })

  it('puts out what is typed into keelstate', () => {
    expect([...outputs.keys()].toSorted()).toEqual(['configuration', 'key', 'lock', 'store'])
    expect(text).toContain(`"gs://\${google_storage_bucket.state.name}/\${var.prefix}"`)
    expect(text).toContain(`key_address   = "gcp-kms:\${google_kms_crypto_key.state.id}"`)
    expect(parseGcsAddress('gs://acme-state/prod')).toEqual({ bucket: 'acme-state', prefix: 'prod' })
    // What the id of a google_kms_crypto_key looks like.
    const id = 'projects/acme-prod/locations/europe-west1/keyRings/keelstate/cryptoKeys/state'
    expect(parseKey(`gcp-kms:${id}`)).toMatchObject({ type: 'gcp-kms', key: id })
  })

  it('has an example that sets known variables, and all that have no default', () => {
    const example = withoutComments(pageOf('example/main.tf'))
    const set = [
      ...blocks(example, 'module')
        .get('state')!
        .matchAll(/^ {2}(\w+)\s+=/gm),
    ].map(([, name]) => name!)
    for (const name of set.filter((one) => one !== 'source')) expect([...variables.keys()]).toContain(name)
    for (const [name, body] of variables) if (!/^ {2}default\s+=/m.test(body)) expect(set).toContain(name)
    expect(example).toContain('module.state.configuration')
  })

  it('is described by its page: every variable with its default, every output, every permission of each role', () => {
    const page = pageOf('README.md')
    for (const [name, body] of variables) {
      const given = /^ {2}default\s+= (.+)$/m.exec(body)?.[1]
      const shown = given === undefined ? '' : given === 'null' ? '' : given.replaceAll('"', '')
      const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))
      expect(row, name).toBeDefined()
      if (/^[\w]+$/.test(shown)) expect(row).toContain(shown)
    }
    for (const name of outputs.keys()) expect(page).toContain(`| \`${name}\` |`)
    for (const [role, { key, objects }] of Object.entries(layout.roles)) {
      const row = page.split('\n').find((line) => line.startsWith(`| ${role} |`))!
      for (const { places, permissions } of objects) {
        for (const place of places.filter((one) => one !== '')) expect(row).toContain(`\`${place}\``)
        for (const permission of permissions) expect(row).toContain(permission.replace('storage.objects.', ''))
      }
      if (key !== null) expect(row).toContain(key.replace('roles/cloudkms.', ''))
    }
  })
})

/** Whether a place in the module's text lies in that block. */
function insideOf(block: string | undefined, index: number): boolean {
  const begin = block === undefined ? -1 : text.indexOf(block)
  return begin >= 0 && index >= begin && index < begin + block!.length
}
