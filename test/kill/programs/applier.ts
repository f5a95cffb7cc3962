// Creates resources of a deployment one by one under its lock, as an engine does: each is committed when it is finished. Says so line by line.
import { deployment, newSnapshot } from '../../../src/deployments/index.ts'
import { openStore } from '../../../src/index.ts'
import { resource } from '../resources.ts'

const [store = '', keys = '', memory = '', from = '', count = '', lines = ''] = process.argv.slice(2)
let said = 0

/** After so many lines it stands still: whoever is to kill it may be late. */
async function say(line: string): Promise<void> {
  process.stdout.write(`${line}\n`)
  if (++said === Number(lines)) await new Promise(() => setInterval(() => {}, 60_000))
}

await using opened = await openStore({ store, keys, memory })
const prod = deployment(opened, { factory: 'shop', stack: 'prod' })
const lock = await prod.lock({ operation: 'apply' })
if (from === '0') {
  const empty = newSnapshot({ name: 'shop', version: '1', contentRevision: 'c' }, 'prod', new Date(0))
  await prod.commit({ ...empty, outputs: { note: 'x'.repeat(6_000) } })
}
for (let n = Number(from); n < Number(from) + Number(count); n++) {
  await say(`begin ${n}`)
  await prod.commit({ put: [resource(n)], ...(n > 3 && { delete: [`removed ${n}`] }) })
  await say(`done ${n}`)
}
await lock.unlock()
await say('released')
