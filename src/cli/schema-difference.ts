import { z } from 'zod'

const change = z
  .strictObject({
    path: z.array(z.union([z.string(), z.int()])).describe('member names and positions'),
    kind: z.enum(['added', 'removed', 'changed']),
    before: z.unknown().describe('null when it was added'),
    after: z.unknown().describe('null when it was removed'),
  })
  .meta({ id: 'change' })

/** An entry of a snapshot, in its file's own names. */
export const entry: z.ZodType = z.record(z.string(), z.unknown())

/** Two bodies compared: members of what `diff` prints, among others. */
export const difference: Readonly<Record<'equal' | 'changes' | 'entries', z.ZodType>> = {
  equal: z.boolean().describe('the two bodies are the same bytes'),
  changes: z
    .array(change)
    .nullable()
    .describe('member by member, beside the entries of snapshots; null when one of the bodies is not JSON'),
  entries: z
    .array(
      z.strictObject({
        address: z.string(),
        kind: z.enum(['added', 'removed', 'changed']),
        entry: entry.describe('as it is now, or was when it was removed'),
        changes: z.array(change).describe('from the entry on'),
      }),
    )
    .nullable()
    .describe('by address; sensitive values are masked without --show-sensitive; null when they are no snapshots'),
}
