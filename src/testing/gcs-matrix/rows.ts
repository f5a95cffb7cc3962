/** What lies at the row's name before its request: nothing, one object, the second of two versions, or nothing any more. */
export type GcsMatrixState = 'absent' | 'present' | 'overwritten' | 'deleted'

/** Generations that a row's request may use. */
export interface GcsMatrixTokens {
  /** Of the object that is there, or was before it was deleted. */
  generation: string
  /** Of the version before it, in the state `overwritten`. */
  earlier: string
  /** Of nothing that was ever there. */
  other: string
}

/** One request in one state, and how Google Cloud Storage answers it. */
export interface GcsMatrixRow {
  /** Stable; what deviations refer to. */
  readonly id: string
  readonly operation: 'DeleteObject' | 'GetObject' | 'ListObjects' | 'PatchObject' | 'PutObject'
  readonly state: GcsMatrixState
  /** In a versioned bucket. */
  readonly versioned?: boolean
  /** In a bucket that does not exist. */
  readonly bucket?: 'missing'
  /** With an access token that nobody gave. */
  readonly token?: 'unknown'
  /** Parameters of the query. */
  readonly query?: (tokens: GcsMatrixTokens) => Record<string, string>
  /** Sent with an upload, in base64. */
  readonly md5Hash?: string
  /** Names that are put, relative to the row's prefix. */
  readonly names?: readonly string[]
  /**
   * Status; the reason of a refusal and what it says is missing; for a read whether the generation came with the bytes; for writes what is there
   * afterwards; for listings the names, a page ended by `|`.
   */
  readonly expected: string
}

type Query = NonNullable<GcsMatrixRow['query']>

const create: Query = () => ({ ifGenerationMatch: '0' })
const matching: Query = ({ generation }) => ({ ifGenerationMatch: generation })
const matchingEarlier: Query = ({ earlier }) => ({ ifGenerationMatch: earlier })
const matchingOther: Query = ({ other }) => ({ ifGenerationMatch: other })
const unlessSame: Query = ({ generation }) => ({ ifGenerationNotMatch: generation })
const unlessOther: Query = ({ other }) => ({ ifGenerationNotMatch: other })
const otherMetageneration: Query = () => ({ ifMetagenerationMatch: '77' })

const FAILED = '412 conditionNotMet, unchanged'
const NOT_THERE = '412 conditionNotMet, absent'

/**
 * The requests that keelstate makes, and their neighbours, with what Google Cloud Storage answers:
 * https://cloud.google.com/storage/docs/request-preconditions, https://cloud.google.com/storage/docs/json_api/v1/status-codes,
 * https://cloud.google.com/storage/docs/json_api/v1/objects
 */
export const GCS_MATRIX: readonly GcsMatrixRow[] = [
  { id: 'put generation 0, absent', operation: 'PutObject', state: 'absent', query: create, expected: '200, written' },
  { id: 'put generation 0, present', operation: 'PutObject', state: 'present', query: create, expected: FAILED },
  {
    id: 'put generation 0, present, versioned',
    operation: 'PutObject',
    state: 'present',
    versioned: true,
    query: create,
    expected: FAILED,
  },
  {
    id: 'put generation 0, deleted',
    operation: 'PutObject',
    state: 'deleted',
    query: create,
    expected: '200, written',
  },
  {
    id: 'put generation 0, deleted, versioned',
    operation: 'PutObject',
    state: 'deleted',
    versioned: true,
    query: create,
    expected: '200, written',
  },
  { id: 'put same generation', operation: 'PutObject', state: 'present', query: matching, expected: '200, written' },
  { id: 'put other generation', operation: 'PutObject', state: 'present', query: matchingOther, expected: FAILED },
  {
    id: 'put earlier generation, versioned',
    operation: 'PutObject',
    state: 'overwritten',
    versioned: true,
    query: matchingEarlier,
    expected: FAILED,
  },
  {
    id: 'put generation, absent',
    operation: 'PutObject',
    state: 'absent',
    query: matchingOther,
    expected: NOT_THERE,
  },
  {
    id: 'put its generation, deleted, versioned',
    operation: 'PutObject',
    state: 'deleted',
    versioned: true,
    query: matching,
    expected: NOT_THERE,
  },
  {
    id: 'put other metageneration',
    operation: 'PutObject',
    state: 'present',
    query: otherMetageneration,
    expected: FAILED,
  },
  {
    id: 'put unless same generation',
    operation: 'PutObject',
    state: 'present',
    query: unlessSame,
    expected: FAILED,
  },
  {
    id: 'put wrong hash',
    operation: 'PutObject',
    state: 'present',
    md5Hash: 'AAAAAAAAAAAAAAAAAAAAAA==',
    expected: '400 invalid, unchanged',
  },
  {
    id: 'put no bucket',
    operation: 'PutObject',
    state: 'absent',
    bucket: 'missing',
    query: create,
    expected: '404 notFound: the bucket',
  },
  {
    id: 'put unknown token',
    operation: 'PutObject',
    state: 'absent',
    token: 'unknown',
    query: create,
    expected: '401 authError, absent',
  },

  { id: 'get present', operation: 'GetObject', state: 'present', expected: '200 with its generation' },
  { id: 'get absent', operation: 'GetObject', state: 'absent', expected: '404: the object' },
  {
    id: 'get deleted, versioned',
    operation: 'GetObject',
    state: 'deleted',
    versioned: true,
    expected: '404: the object',
  },
  { id: 'get no bucket', operation: 'GetObject', state: 'absent', bucket: 'missing', expected: '404: the bucket' },
  {
    id: 'get same generation',
    operation: 'GetObject',
    state: 'present',
    query: matching,
    expected: '200 with its generation',
  },
  { id: 'get other generation', operation: 'GetObject', state: 'present', query: matchingOther, expected: '412' },
  { id: 'get unless same generation', operation: 'GetObject', state: 'present', query: unlessSame, expected: '304' },
  {
    id: 'get unless other generation',
    operation: 'GetObject',
    state: 'present',
    query: unlessOther,
    expected: '200 with its generation',
  },
  {
    id: 'get other metageneration',
    operation: 'GetObject',
    state: 'present',
    query: otherMetageneration,
    expected: '412',
  },
  {
    id: 'get earlier version, versioned',
    operation: 'GetObject',
    state: 'overwritten',
    versioned: true,
    query: ({ earlier }) => ({ generation: earlier }),
    expected: '200 with the one before',
  },

  { id: 'delete present', operation: 'DeleteObject', state: 'present', expected: '204, absent' },
  { id: 'delete absent', operation: 'DeleteObject', state: 'absent', expected: '404 notFound: the object, absent' },
  {
    id: 'delete no bucket',
    operation: 'DeleteObject',
    state: 'absent',
    bucket: 'missing',
    expected: '404 notFound: the bucket',
  },
  {
    id: 'delete same generation',
    operation: 'DeleteObject',
    state: 'present',
    query: matching,
    expected: '204, absent',
  },
  {
    id: 'delete other generation',
    operation: 'DeleteObject',
    state: 'present',
    query: matchingOther,
    expected: FAILED,
  },
  {
    id: 'delete other metageneration',
    operation: 'DeleteObject',
    state: 'present',
    query: otherMetageneration,
    expected: FAILED,
  },
  {
    id: 'patch other generation',
    operation: 'PatchObject',
    state: 'present',
    query: matchingOther,
    expected: '412 conditionNotMet',
  },
  {
    id: 'patch other metageneration',
    operation: 'PatchObject',
    state: 'present',
    query: otherMetageneration,
    expected: '412 conditionNotMet',
  },

  {
    id: 'list in pages',
    operation: 'ListObjects',
    state: 'absent',
    names: ['c', 'a', 'e', 'b', 'd'],
    query: () => ({ maxResults: '2' }),
    expected: '200 a b | c d | e |',
  },
  {
    id: 'list by bytes',
    operation: 'ListObjects',
    state: 'absent',
    names: ['ä', 'a', 'Z', '\u{1F600}', '\uFF5E', '%'],
    expected: '200 % Z a ä \uFF5E \u{1F600} |',
  },
  {
    id: 'list object and what lies below it',
    operation: 'ListObjects',
    state: 'absent',
    names: ['a/b', 'a', 'a//b'],
    expected: '200 a a//b a/b |',
  },
  {
    id: 'list with delimiter',
    operation: 'ListObjects',
    state: 'absent',
    names: ['a/1', 'a/2', 'b'],
    query: () => ({ delimiter: '/' }),
    expected: '200 b a/ |',
  },
  { id: 'list nothing', operation: 'ListObjects', state: 'absent', expected: '200 |' },
  {
    id: 'list no bucket',
    operation: 'ListObjects',
    state: 'absent',
    bucket: 'missing',
    expected: '404 notFound: the bucket',
  },
]
