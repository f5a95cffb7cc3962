import { GcsRefusal } from './answers.ts'
import type { GcsBucket, GcsObjectVersion } from './buckets.ts'

/** https://cloud.google.com/storage/docs/json_api/v1/objects#resource-representations */
export function objectResource(bucket: GcsBucket, name: string, version: GcsObjectVersion): Record<string, unknown> {
  const { generation, metageneration, bytes, kmsKeyName } = version
  const path = `/storage/v1/b/${bucket.name}/o/${encodeURIComponent(name)}`
  return {
    kind: 'storage#object',
    id: `${bucket.name}/${name}/${generation}`,
    selfLink: `https://www.googleapis.com${path}`,
    mediaLink: `https://www.googleapis.com/download${path}?generation=${generation}&alt=media`,
    name,
    bucket: bucket.name,
    generation: String(generation),
    metageneration: String(metageneration),
    contentType: version.contentType,
    cacheControl: version.cacheControl,
    contentEncoding: version.contentEncoding,
    metadata: version.metadata,
    storageClass: 'STANDARD',
    size: String(bytes.length),
    md5Hash: version.md5Hash,
    crc32c: version.crc32c,
    etag: etagOf(version),
    timeCreated: new Date(version.timeCreated).toISOString(),
    updated: new Date(version.updated).toISOString(),
    ...(kmsKeyName === undefined ? {} : { kmsKeyName: `${kmsKeyName}/cryptoKeyVersions/1` }),
  }
}

export function bucketResource(bucket: GcsBucket): Record<string, unknown> {
  return {
    kind: 'storage#bucket',
    id: bucket.name,
    name: bucket.name,
    projectNumber: '123456789012',
    location: 'EU',
    storageClass: 'STANDARD',
    versioning: { enabled: bucket.versioning },
    ...bucket.settings,
    ...(bucket.requesterPays ? { billing: { requesterPays: true } } : {}),
  }
}

/** https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy#response */
export function policyResource({ name, bindings }: GcsBucket, requestedVersion: number): Record<string, unknown> {
  const conditional = bindings.some(({ condition }) => condition !== undefined)
  if (conditional && requestedVersion < 3)
    throw new GcsRefusal('invalid', 'The policy has conditions, which takes version 3.')
  const resourceId = `projects/_/buckets/${name}`
  return { kind: 'storage#policy', resourceId, version: conditional ? 3 : 1, etag: 'CAE=', bindings }
}

export function etagOf({ generation, metageneration }: GcsObjectVersion): string {
  return Buffer.from(`${generation}/${metageneration}`).toString('base64')
}

/** Reduces a resource to the fields that were asked for: `a,b(c,d)`. https://cloud.google.com/storage/docs/json_api#partial-response */
export function selectFields(resource: Record<string, unknown>, fields: string): Record<string, unknown> {
  const selected: Record<string, unknown> = {}
  for (const [, name = '', inner] of fields.matchAll(/([A-Za-z]+)(?:\(([^()]*)\))?(?:,|$)/g)) {
    const value = resource[name]
    if (value === undefined) continue
    if (inner === undefined) selected[name] = value
    else if (Array.isArray(value)) selected[name] = value.map((entry) => selectFields(entry, inner))
    else selected[name] = selectFields(value as Record<string, unknown>, inner)
  }
  return selected
}
