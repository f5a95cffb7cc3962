/** What lies at the row's key before its request: nothing, one object, or an object under a delete marker (in a versioned bucket). */
export type S3MatrixState = 'absent' | 'present' | 'delete marker' | 'overwritten'

/** ETags that a row's request may use. */
export interface S3MatrixTokens {
  /** Of the object that was there; of the version below when it is under a delete marker. */
  etag: string
  /** Of the version before it, in the state `overwritten`. */
  earlier: string
  /** Of nothing that was ever there. */
  other: string
}

/** One request in one state, and how S3 answers it. */
export interface S3MatrixRow {
  /** Stable; what deviations refer to. */
  readonly id: string
  readonly operation: 'DeleteObject' | 'DeleteObjects' | 'GetObject' | 'HeadObject' | 'ListObjectsV2' | 'PutObject'
  readonly state: S3MatrixState
  /** In a versioned bucket. */
  readonly versioned?: boolean
  /** In a bucket that does not exist. */
  readonly bucket?: 'missing'
  /** Signed with another secret, or another key id. */
  readonly credentials?: 'wrong secret' | 'unknown key id'
  /** Members of the SDK's input beside bucket and key. */
  readonly input?: (tokens: S3MatrixTokens) => Record<string, unknown>
  /** Keys that are put beside it, relative to the row's prefix. */
  readonly keys?: readonly string[]
  /** Status, error code, and for writes what is there afterwards; for listings the keys, a page ended by `|`. */
  readonly expected: string
}

const create = (): Record<string, unknown> => ({ IfNoneMatch: '*' })
const matching = ({ etag }: S3MatrixTokens): Record<string, unknown> => ({ IfMatch: etag })
const matchingOther = ({ other }: S3MatrixTokens): Record<string, unknown> => ({ IfMatch: other })

const NOT_IMPLEMENTED = '501 NotImplemented, unchanged'
const FAILED = '412 PreconditionFailed, unchanged'

/**
 * The requests that keelstate makes, and their neighbours, with what S3 answers.
 *
 * Writes and reads: responses recorded from S3 in LocalStack's tests (`tests/aws/services/s3/test_s3_api.snapshot.json`), and
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html, …/conditional-reads.html, …/conditional-deletes.html.
 */
export const S3_MATRIX: readonly S3MatrixRow[] = [
  {
    id: 'put if-none-match:* absent',
    operation: 'PutObject',
    state: 'absent',
    input: create,
    expected: '200, written',
  },
  { id: 'put if-none-match:* present', operation: 'PutObject', state: 'present', input: create, expected: FAILED },
  {
    id: 'put if-none-match:* delete marker',
    operation: 'PutObject',
    state: 'delete marker',
    versioned: true,
    input: create,
    expected: '200, written',
  },
  {
    id: 'put if-none-match:* present, versioned',
    operation: 'PutObject',
    state: 'present',
    versioned: true,
    input: create,
    expected: FAILED,
  },
  {
    id: 'put if-none-match:etag',
    operation: 'PutObject',
    state: 'present',
    input: ({ other }) => ({ IfNoneMatch: other }),
    expected: NOT_IMPLEMENTED,
  },
  { id: 'put if-match same', operation: 'PutObject', state: 'present', input: matching, expected: '200, written' },
  { id: 'put if-match other', operation: 'PutObject', state: 'present', input: matchingOther, expected: FAILED },
  {
    id: 'put if-match earlier version',
    operation: 'PutObject',
    state: 'overwritten',
    versioned: true,
    input: ({ earlier }) => ({ IfMatch: earlier }),
    expected: FAILED,
  },
  {
    id: 'put if-match absent',
    operation: 'PutObject',
    state: 'absent',
    input: matchingOther,
    expected: '404 NoSuchKey, absent',
  },
  {
    id: 'put if-match delete marker',
    operation: 'PutObject',
    state: 'delete marker',
    versioned: true,
    input: matching,
    expected: '404 NoSuchKey, absent',
  },
  {
    id: 'put if-match:*',
    operation: 'PutObject',
    state: 'present',
    input: () => ({ IfMatch: '*' }),
    expected: NOT_IMPLEMENTED,
  },
  {
    id: 'put both conditions',
    operation: 'PutObject',
    state: 'present',
    input: ({ etag }) => ({ IfMatch: etag, IfNoneMatch: '*' }),
    expected: NOT_IMPLEMENTED,
  },
  {
    id: 'put missing bucket',
    operation: 'PutObject',
    state: 'absent',
    bucket: 'missing',
    input: create,
    expected: '404 NoSuchBucket',
  },
  {
    id: 'put wrong checksum',
    operation: 'PutObject',
    state: 'present',
    input: () => ({ ChecksumSHA256: Buffer.alloc(32).toString('base64') }),
    expected: '400 BadDigest, unchanged',
  },
  {
    id: 'put wrong secret',
    operation: 'PutObject',
    state: 'absent',
    credentials: 'wrong secret',
    expected: '403 SignatureDoesNotMatch, absent',
  },
  {
    id: 'put unknown key id',
    operation: 'PutObject',
    state: 'absent',
    credentials: 'unknown key id',
    expected: '403 InvalidAccessKeyId, absent',
  },
  {
    id: 'put below an object',
    operation: 'PutObject',
    state: 'absent',
    keys: ['k'],
    input: () => ({ Key: 'k/below' }),
    expected: '200, written',
  },
  {
    id: 'put key with //',
    operation: 'PutObject',
    state: 'absent',
    input: () => ({ Key: 'a//b' }),
    expected: '200, written',
  },
  {
    id: 'put percent signs in a key',
    operation: 'PutObject',
    state: 'absent',
    input: () => ({ Key: 'a%2Fb/~' }),
    expected: '200, written',
  },

  { id: 'get present', operation: 'GetObject', state: 'present', expected: '200' },
  { id: 'get absent', operation: 'GetObject', state: 'absent', expected: '404 NoSuchKey' },
  {
    id: 'get delete marker',
    operation: 'GetObject',
    state: 'delete marker',
    versioned: true,
    expected: '404 NoSuchKey',
  },
  {
    id: 'get missing bucket',
    operation: 'GetObject',
    state: 'absent',
    bucket: 'missing',
    expected: '404 NoSuchBucket',
  },
  {
    id: 'get if-none-match same',
    operation: 'GetObject',
    state: 'present',
    input: ({ etag }) => ({ IfNoneMatch: etag }),
    expected: '304',
  },
  {
    id: 'get if-none-match other',
    operation: 'GetObject',
    state: 'present',
    input: ({ other }) => ({ IfNoneMatch: other }),
    expected: '200',
  },
  {
    id: 'get if-none-match absent',
    operation: 'GetObject',
    state: 'absent',
    input: ({ other }) => ({ IfNoneMatch: other }),
    expected: '404 NoSuchKey',
  },
  {
    id: 'get if-match other',
    operation: 'GetObject',
    state: 'present',
    input: matchingOther,
    expected: '412 PreconditionFailed',
  },
  { id: 'head present', operation: 'HeadObject', state: 'present', expected: '200' },
  { id: 'head absent', operation: 'HeadObject', state: 'absent', expected: '404' },

  { id: 'delete absent', operation: 'DeleteObject', state: 'absent', expected: '204, absent' },
  { id: 'delete if-match same', operation: 'DeleteObject', state: 'present', input: matching, expected: '204, absent' },
  { id: 'delete if-match other', operation: 'DeleteObject', state: 'present', input: matchingOther, expected: FAILED },
  { id: 'batch delete', operation: 'DeleteObjects', state: 'present', expected: '200, absent' },
  { id: 'batch delete absent', operation: 'DeleteObjects', state: 'absent', expected: '200, absent' },
  {
    id: 'batch delete missing bucket',
    operation: 'DeleteObjects',
    state: 'absent',
    bucket: 'missing',
    expected: '404 NoSuchBucket',
  },

  { id: 'list nothing', operation: 'ListObjectsV2', state: 'absent', expected: '200 |' },
  {
    id: 'list missing bucket',
    operation: 'ListObjectsV2',
    state: 'absent',
    bucket: 'missing',
    expected: '404 NoSuchBucket',
  },
  {
    id: 'list order',
    operation: 'ListObjectsV2',
    state: 'absent',
    keys: ['b', 'a~', 'a-', 'a0', 'B', 'é', 'z', '\u{1f600}', '\uff5e'],
    expected: '200 B a- a0 a~ b z é \uff5e \u{1f600} |',
  },
  {
    id: 'list pages',
    operation: 'ListObjectsV2',
    state: 'absent',
    keys: ['1', '2', '3', '4', '5'],
    input: () => ({ MaxKeys: 2 }),
    expected: '200 1 2 | 3 4 | 5 |',
  },
  {
    id: 'list start after',
    operation: 'ListObjectsV2',
    state: 'absent',
    keys: ['1', '2', '3'],
    input: () => ({ StartAfter: '2' }),
    expected: '200 3 |',
  },
  {
    id: 'list object and what lies below it',
    operation: 'ListObjectsV2',
    state: 'absent',
    keys: ['a', 'a/b', 'a/b/c'],
    expected: '200 a a/b a/b/c |',
  },
  {
    id: 'list with delimiter',
    operation: 'ListObjectsV2',
    state: 'absent',
    keys: ['a', 'b/1', 'b/2', 'c/1'],
    input: () => ({ Delimiter: '/' }),
    expected: '200 a b/ c/ |',
  },
  { id: 'list delete marker', operation: 'ListObjectsV2', state: 'delete marker', versioned: true, expected: '200 |' },
]
