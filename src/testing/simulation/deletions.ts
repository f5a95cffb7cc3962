import type { Chain, ChainHead } from './chain.ts'
import type { Deletion } from './chronicle.ts'

/** Nothing is deleted that the head of that moment refers to, or keeps for readers of what was pruned. */
export async function deletionViolations(deletions: readonly Deletion[], chain: Chain): Promise<string[]> {
  const violations: string[] = []
  for (const { object, heads, by } of deletions) {
    const head = chain.heads[heads - 1]
    if (head === undefined) continue
    const { live, condemned } = await chain.reachable(head)
    const buried = buriedBy(head, chain)
    if (buried !== undefined && (await chain.reachable(buried)).live.has(object))
      violations.push(
        `${by} deleted ${object.slice(0, 6)}, which head ${head.header.seq} keeps for readers of what was deleted`,
      )
    if (live.has(object))
      violations.push(`${by} deleted ${object.slice(0, 6)}, which head ${head.header.seq} refers to`)
    if (condemned.has(object))
      violations.push(`${by} deleted ${object.slice(0, 6)}, which head ${head.header.seq} keeps for readers`)
  }
  return violations
}

/** The last head before the document was deleted, as long as the head keeps its objects. */
function buriedBy(head: ChainHead, { heads }: Chain): ChainHead | undefined {
  if (!head.body.condemned.some(({ objects, list }) => objects === undefined && list === undefined)) return undefined
  const tombstone = heads.findLast(({ header, body }) => header.seq <= head.header.seq && body.tombstone !== undefined)
  return tombstone && heads[tombstone.header.seq - 2]
}
