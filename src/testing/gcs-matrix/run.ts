import { createHash } from 'node:crypto'
import type { MatrixObservations } from '../matrix.ts'
import { GCS_MATRIX, type GcsMatrixRow, type GcsMatrixTokens } from './rows.ts'

/** A service that speaks the JSON API, to ask. */
export interface GcsEndpoint {
  /** Without `/storage/v1`. */
  endpoint: string
  /** Access token; left out where none is needed. */
  token?: string
  /** Makes an empty bucket and resolves to its name. */
  newBucket(options: { versioning: boolean }): Promise<string>
}

/**
 * Sends every row's request to a service and notes its answer. Leaves what it wrote in the two buckets that it asks for.
 *
 * @param rows Default: the whole matrix.
 */
export async function runGcsMatrix(
  service: GcsEndpoint,
  rows: readonly GcsMatrixRow[] = GCS_MATRIX,
): Promise<MatrixObservations> {
  const plain = await service.newBucket({ versioning: false })
  const versioned = await service.newBucket({ versioning: true })
  const observed: Record<string, string> = {}
  for (const [index, row] of rows.entries()) {
    const bucket = row.versioned ? versioned : plain
    observed[row.id] = await new RowRun(service, bucket, `row-${index}/`).observe(row)
  }
  return observed
}

interface Answer {
  readonly status: number
  readonly generation: string | undefined
  readonly text: string
}

class RowRun {
  readonly #service: GcsEndpoint
  readonly #bucket: string
  readonly #prefix: string

  constructor(service: GcsEndpoint, bucket: string, prefix: string) {
    this.#service = service
    this.#bucket = bucket
    this.#prefix = prefix
  }

  async observe(row: GcsMatrixRow): Promise<string> {
    const { operation, state, md5Hash } = row
    for (const name of row.names ?? []) await this.#put(this.#prefix + name, name)
    const tokens = await this.#prepare(state)
    const query = row.query?.(tokens) ?? {}
    const bucket = row.bucket === 'missing' ? `${this.#bucket}-missing` : this.#bucket
    const send = (extra: Record<string, string> = {}) =>
      this.#send(operation, bucket, { ...query, ...extra }, { md5Hash, token: row.token })
    if (operation === 'ListObjects') return await this.#list(send)
    const answer = await send()
    if (operation === 'GetObject') {
      if (answer.status !== 200) return refusalOf(answer, false)
      const { generation } = answer
      if (generation === tokens.generation) return '200 with its generation'
      return generation === tokens.earlier ? '200 with the one before' : `200 with ${generation ?? 'no generation'}`
    }
    const said = answer.status < 300 ? `${answer.status}` : refusalOf(answer, true)
    if (row.bucket === 'missing' || operation === 'PatchObject') return said
    const before = state === 'absent' || state === 'deleted' ? undefined : tokens.generation
    const after = await this.#send('GetObject', this.#bucket, {})
    const effect = after.status === 404 ? 'absent' : after.generation === before ? 'unchanged' : 'written'
    return `${said}, ${effect}`
  }

  async #prepare(state: GcsMatrixRow['state']): Promise<GcsMatrixTokens> {
    const tokens = { generation: '1111111111111111', earlier: '', other: '2222222222222222' }
    if (state === 'absent') return tokens
    if (state === 'overwritten') tokens.earlier = await this.#put(`${this.#prefix}k`, 'earlier')
    tokens.generation = await this.#put(`${this.#prefix}k`, 'present')
    if (state === 'deleted') await this.#send('DeleteObject', this.#bucket, {})
    return tokens
  }

  /** Resolves to the generation. */
  async #put(name: string, text: string): Promise<string> {
    const answer = await this.#request(
      'POST',
      `/upload/storage/v1/b/${this.#bucket}/o`,
      { uploadType: 'media', name },
      { body: Buffer.from(text) },
    )
    const { generation } = JSON.parse(answer.text) as { generation?: string }
    if (answer.status !== 200 || generation === undefined)
      throw new Error(`${name} could not be put: ${answer.status} ${answer.text}`)
    return generation
  }

  async #send(
    operation: GcsMatrixRow['operation'],
    bucket: string,
    query: Record<string, string>,
    { md5Hash, token }: { md5Hash?: string | undefined; token?: 'unknown' | undefined } = {},
  ): Promise<Answer> {
    const object = `/storage/v1/b/${bucket}/o/${encodeURIComponent(`${this.#prefix}k`)}`
    switch (operation) {
      case 'GetObject':
        return await this.#request('GET', object, { alt: 'media', ...query }, { token })
      case 'DeleteObject':
        return await this.#request('DELETE', object, query, { token })
      case 'PatchObject': {
        const body = Buffer.from(JSON.stringify({ metadata: { patched: 'yes' } }))
        return await this.#request('PATCH', object, query, { body, type: 'application/json', token })
      }
      case 'ListObjects':
        return await this.#request('GET', `/storage/v1/b/${bucket}/o`, { prefix: this.#prefix, ...query }, { token })
      case 'PutObject': {
        const { body, type } = multipart(`${this.#prefix}k`, md5Hash)
        const upload = { uploadType: 'multipart', name: `${this.#prefix}k`, ...query }
        return await this.#request('POST', `/upload/storage/v1/b/${bucket}/o`, upload, { body, type, token })
      }
    }
  }

  async #list(send: (extra: Record<string, string>) => Promise<Answer>): Promise<string> {
    let names = ''
    let pageToken: string | undefined
    do {
      const answer = await send(pageToken === undefined ? {} : { pageToken })
      if (answer.status !== 200) return refusalOf(answer, true)
      const page = JSON.parse(answer.text) as {
        items?: { name: string }[]
        prefixes?: string[]
        nextPageToken?: string
      }
      const entries = [...(page.items ?? []).map(({ name }) => name), ...(page.prefixes ?? [])]
      for (const entry of entries) names += ` ${entry.slice(this.#prefix.length)}`
      names += ' |'
      pageToken = page.nextPageToken || undefined
    } while (pageToken !== undefined)
    return `200${names}`
  }

  async #request(
    method: string,
    path: string,
    query: Record<string, string>,
    {
      body,
      type = 'text/plain',
      token,
    }: { body?: Uint8Array<ArrayBuffer>; type?: string; token?: 'unknown' | undefined },
  ): Promise<Answer> {
    const bearer = token === 'unknown' ? 'nobody-gave-this' : this.#service.token
    const answer = await fetch(`${this.#service.endpoint}${path}?${new URLSearchParams(query)}`, {
      method,
      headers: {
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body }),
    })
    const generation = answer.headers.get('x-goog-generation') ?? undefined
    return { status: answer.status, generation, text: await answer.text() }
  }
}

/** An upload as the client library makes it: the metadata, and the bytes. */
function multipart(name: string, md5Hash: string | undefined): { body: Uint8Array<ArrayBuffer>; type: string } {
  const boundary = createHash('sha256').update(name).digest('hex')
  const metadata = JSON.stringify({ name, contentType: 'text/plain', ...(md5Hash === undefined ? {} : { md5Hash }) })
  const part = (kind: string, text: string) => `--${boundary}\r\ncontent-type: ${kind}\r\n\r\n${text}\r\n`
  const body = `${part('application/json', metadata)}${part('text/plain', 'written')}--${boundary}--`
  return { body: Buffer.from(body), type: `multipart/related; boundary="${boundary}"` }
}

/** Status, reason where an error document is due, and what a 404 says is missing. */
function refusalOf({ status, text }: Answer, document: boolean): string {
  const reason = document ? reasonOf(text) : undefined
  const said = reason === undefined ? `${status}` : `${status} ${reason}`
  if (status !== 404) return said
  const missing = /bucket.*(not exist|not found)/i.test(text)
    ? 'the bucket'
    : /no such object/i.test(text)
      ? 'the object'
      : 'something'
  return `${said}: ${missing}`
}

function reasonOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: { errors?: { reason?: string }[] } }).error?.errors?.[0]?.reason
  } catch {
    return undefined
  }
}
