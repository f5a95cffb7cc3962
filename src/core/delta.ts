import { corrupt } from './header.ts'
import type { Part, PartChange, PartPut } from './parts.ts'
import { Fields } from './record.ts'

/** u32 length ‖ JSON ‖ the parts that are put, one behind the other. docs/format.md "Deltas". */
export function encodeDelta({ delete: gone, put }: PartChange): Uint8Array {
  const text = Buffer.from(
    JSON.stringify({
      ...(gone.length === 0 ? {} : { delete: gone }),
      ...(put.length === 0
        ? {}
        : {
            put: put.map(({ key, bytes, behind }) =>
              behind === undefined ? [key, bytes.length] : [key, bytes.length, behind],
            ),
          }),
    }),
  )
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text, ...put.map(({ bytes }) => bytes)])
}

/** @throws {KeelstateError} `Corrupt` naming what is wrong. */
export function decodeDelta(bytes: Uint8Array, key: string): PartChange {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 4 + (view.length < 4 ? Number.POSITIVE_INFINITY : view.readUInt32BE(0))
  if (at > view.length) throw corrupt(key, 'holds a change that ends too early', 'delta')
  let json: Fields
  try {
    json = new Fields(JSON.parse(view.toString('utf8', 4, at)), key, 'delta')
  } catch (cause) {
    throw corrupt(key, 'holds a change that is not JSON', 'delta', cause)
  }
  const put = json.list('put').map((one): PartPut => {
    const f = new Fields({ ...(one as Part) }, key, 'part')
    const from = at
    at += f.count('1')
    if (at > view.length) throw corrupt(key, 'holds a change that ends too early', 'delta')
    const part = { key: f.text('0'), bytes: view.subarray(from, at) }
    return f.has('2') ? { ...part, behind: f.get('2') === null ? null : f.text('2') } : part
  })
  if (at !== view.length) throw corrupt(key, 'holds bytes that no part names', 'delta')
  const gone = json.list('delete').map((one) => new Fields({ key: one }, key, 'deleted part').text('key'))
  return { delete: gone, put }
}
