import type { FaultTarget } from './faults.ts'
import { targetOf } from './s3-server/request.ts'

/** What a proxy has to know of the protocol that passes through it. */
export interface WireProtocol {
  /** What the fault rules see of a request; `url` is path and query as sent, `head` the request line and all header fields. */
  describe(method: string, url: string, head: string): FaultTarget
  /** An error answer in the service's own form, as whole HTTP/1.1 bytes. */
  refusal(status: number, code: string): Buffer
}

/** S3's REST protocol with the bucket in the path. Rules see the same as those of the S3 fixture server. */
export const s3Wire: WireProtocol = {
  describe(method, url) {
    const { operation = 'Unknown', key, query } = targetOf(method, url)
    return { method, operation, key: key === '' ? (query.prefix ?? '') : key }
  },

  refusal(status, code) {
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>Injected.</Message></Error>`
    const head = `HTTP/1.1 ${status} ${code}\r\ncontent-type: application/xml\r\ncontent-length: ${Buffer.byteLength(body)}`
    return Buffer.from(`${head}\r\n\r\n${body}`)
  },
}
