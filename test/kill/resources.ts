import type { Entry } from '../../src/deployments/index.ts'

/** What the n-th resource of a deployment is. */
export function resource(n: number): Entry {
  return { address: `node-${n}`, type: 'leaf', kind: 'vm', outputs: { id: `i-${n}`, text: `${n} `.repeat(60) } }
}
