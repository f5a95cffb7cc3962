import { statusAnswer } from './gcs-server/answers.ts'
import { describeRequest } from './gcs-server/request.ts'
import type { WireProtocol } from './s3-wire.ts'

/** The JSON API of Google Cloud Storage. Rules see the same as those of its fixture server. */
export const gcsWire: WireProtocol = {
  describe(method, url) {
    const { operation, key } = describeRequest(method, url)
    return { method, operation, key }
  },

  refusal(status, code) {
    const { body } = statusAnswer(status, code)
    const fields = `content-type: application/json; charset=UTF-8\r\ncontent-length: ${body.length}`
    return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} ${code}\r\n${fields}\r\n\r\n`), body])
  },
}
