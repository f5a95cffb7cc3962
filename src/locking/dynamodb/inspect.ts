import type { Finding } from '../../core/inspection.ts'

/** Asks the service; rejects with the SDK's error. */
export type AskDynamoDb = (question: 'DescribeTable' | 'DescribeTimeToLive') => Promise<Record<string, unknown>>

interface Table {
  readonly KeySchema?: { readonly AttributeName?: string; readonly KeyType?: string }[]
  readonly Replicas?: unknown[]
  readonly MultiRegionConsistency?: string
}

/** Looks at the settings of the table that locks rest on. */
export async function* inspectTable(ask: AskDynamoDb): AsyncGenerator<Finding> {
  yield* judged('lock-table', 'DescribeTable', ask, ({ Table }) => [...tableFindings((Table ?? {}) as Table)])
  yield* judged('lock-ttl', 'DescribeTimeToLive', ask, ({ TimeToLiveDescription }) => [
    timeToLive((TimeToLiveDescription ?? {}) as { TimeToLiveStatus?: string }),
  ])
}

async function* judged(
  check: string,
  question: Parameters<AskDynamoDb>[0],
  ask: AskDynamoDb,
  judge: (answer: Record<string, unknown>) => Finding[],
): AsyncGenerator<Finding> {
  try {
    yield* judge(await ask(question))
  } catch (error) {
    const { name = 'unknown', $metadata } = Object(error) as { name?: string; $metadata?: { httpStatusCode?: unknown } }
    if ($metadata?.httpStatusCode === undefined) throw error
    const says = `It could not be looked at (${name}).`
    yield { check, verdict: 'unknown', says, todo: `Let somebody look who may (dynamodb:${question}).` }
  }
}

function* tableFindings({ KeySchema = [], Replicas = [], MultiRegionConsistency }: Table): Generator<Finding> {
  const keys = KeySchema.map(({ AttributeName, KeyType }) => `${AttributeName} ${KeyType}`).join(', ')
  yield keys === 'store HASH, document RANGE'
    ? { check: 'lock-table', verdict: 'ok', says: 'The table has the keys that locks need.' }
    : {
        check: 'lock-table',
        verdict: 'unsafe',
        says: `The table's keys are ${keys}.`,
        todo: 'Make a table with the partition key "store" and the sort key "document", both strings.',
      }
  yield Replicas.length === 0 || MultiRegionConsistency === 'STRONG'
    ? { check: 'lock-replicas', verdict: 'ok', says: 'No copy of the table lags behind it.' }
    : {
        check: 'lock-replicas',
        verdict: 'unsafe',
        says: 'The table is copied to other regions with a delay: two regions can each hold the same lock.',
        todo: 'Use a table of one region, or a global table with strong consistency.',
      }
}

function timeToLive({ TimeToLiveStatus = 'DISABLED' }: { TimeToLiveStatus?: string }): Finding {
  const check = 'lock-ttl'
  if (TimeToLiveStatus.startsWith('DISABL'))
    return { check, verdict: 'ok', says: 'No lock record is deleted by its age.' }
  return {
    check,
    verdict: 'unsafe',
    says: 'Items of the table are deleted by their age (time to live).',
    todo: 'Turn time to live off: a lock record is never deleted, because its fencing token may only grow.',
  }
}
