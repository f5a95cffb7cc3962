// Creates resources of a deployment one by one under its lock, as an engine does: each is committed when it is finished. Says so line by line.
import { deployment, newSnapshot } from '../../../src/deployments/index.ts'
import { openStore } from '../../../src/index.ts'
import { resource } from '../resources.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)
const [store = '', keys = '', memory = '', from = '', count = ''] = process.argv.slice(2)
await using opened = await openStore({ store, keys, memory })
const prod = deployment(opened, { factory: 'shop', stack: 'prod' })
const lock = await prod.lock({ operation: 'apply' })
if (from === '0') {
  const empty = newSnapshot({ name: 'shop', version: '1', contentRevision: 'c' }, 'prod', new Date(0))
  await prod.commit({ ...empty, outputs: { note: 'x'.repeat(6_000) } })
}
for (let n = Number(from); n < Number(from) + Number(count); n++) {
  say(`begin ${n}`)
  await prod.commit({ put: [resource(n)], ...(n > 3 && { delete: [`removed ${n}`] }) })
  say(`done ${n}`)
}
await lock.unlock()
say('released')
