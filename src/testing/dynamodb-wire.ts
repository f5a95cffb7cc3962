import type { WireProtocol } from './s3-wire.ts'

/** DynamoDB's JSON protocol. Rules see the operation, such as `UpdateItem`; an item's key stands in the body, which they do not see. */
export const dynamoDbWire: WireProtocol = {
  describe(method, _url, head) {
    const operation = /^x-amz-target: *DynamoDB_\d+\.(\w+)/im.exec(head)?.[1] ?? 'Unknown'
    return { method, operation, key: '' }
  },

  refusal(status, code) {
    const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${code}`, message: 'Injected.' })
    const fields = `content-type: application/x-amz-json-1.0\r\ncontent-length: ${Buffer.byteLength(body)}`
    return Buffer.from(`HTTP/1.1 ${status} ${code}\r\n${fields}\r\n\r\n${body}`)
  },
}
