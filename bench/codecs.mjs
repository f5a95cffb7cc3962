// Snapshots as Go writes and reads them, beside the JSON that V8 has built in.
import { decodeSnapshot, encodeSnapshot } from 'keelstate/deployments'
import { cpuOfEach } from './measure.mjs'
import { snapshot } from './snapshots.mjs'

export async function codecs({ rounds, entries, slack }) {
  const value = snapshot(entries)
  const body = encodeSnapshot(value)
  const cpu = await cpuOfEach(2 * rounds, {
    stringify: () => JSON.stringify(value),
    encode: () => encodeSnapshot(value),
    parse: () => JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString()), // from bytes, as decode does
    decode: () => decodeSnapshot(body),
  })
  const size = `${(body.length / 1e6).toFixed(1)} MB`
  return [
    {
      name: `encode a snapshot of ${size} ÷ JSON.stringify`,
      unit: 'ratio',
      measured: cpu.encode / cpu.stringify,
      limit: 2.5 * slack,
    },
    {
      name: `decode a snapshot of ${size} ÷ JSON.parse`,
      unit: 'ratio',
      measured: cpu.decode / cpu.parse,
      limit: 2.5 * slack,
    },
  ]
}
