import { KeelstateError } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import { STORE_KEY } from '../core/names.ts'
import type { Bench } from './bench.ts'

type Action = 'read' | 'write' | 'list' | 'delete'

/** What these credentials may do, and for which work that is enough. */
export async function permissions(bench: Bench): Promise<{ finding: Finding; may: ReadonlySet<Action> }> {
  // Who may not list is not told whether an object is absent, or not to be touched: so what was written is deleted.
  const key = bench.newKey()
  const tries: readonly (readonly [Action, () => Promise<unknown>])[] = [
    ['read', () => bench.read(STORE_KEY)],
    ['write', () => bench.write(key, bench.newBody(), { ifAbsent: true })],
    ['list', () => bench.list(bench.folder, 1)],
    ['delete', () => bench.remove([key])],
  ]
  const may = new Set<Action>()
  for (const [action, attempt] of tries) {
    try {
      await attempt()
      may.add(action)
    } catch (error) {
      if (!KeelstateError.is(error, 'AccessDenied')) throw error
    }
  }
  const missing = tries.map(([action]) => action).filter((action) => !may.has(action))
  const check = 'permissions'
  if (missing.length === 0)
    return {
      may,
      finding: {
        check,
        verdict: 'ok',
        says: 'These credentials may read, write, list and delete: enough for every command.',
      },
    }
  const enough =
    may.has('write') && may.has('read') ? 'push, lock and pull' : may.has('read') ? 'pull and status' : 'nothing'
  const finding: Finding = {
    check,
    verdict: may.has('read') ? 'warning' : 'unsafe',
    says: `These credentials may not ${missing.join(', ')}: enough for ${enough}${may.has('list') ? ', and list' : ''}.`,
    todo: 'Meant so for a role that only does that. To prove the store, run doctor once with credentials that may do everything.',
  }
  return { may, finding }
}
