// Holds the lock of one document in a file store, as its parent process says: one message in, one out.
import { json, KeelstateError, type LockedDocument, openStore } from '../../../src/index.ts'

/** What the parent can ask for. */
export type Request =
  | { do: 'lock'; leaseMs: number; waitMs: number }
  | { do: 'commit'; value: string }
  /** Commits one number after another, from 1, until it is refused. */
  | { do: 'commit without end' }
  | { do: 'break'; owner: string }
  | { do: 'release' }

export interface Answer {
  readonly code?: string
  readonly owner?: string
  readonly current?: string
  readonly lost?: boolean
  readonly committed?: number
}

const [root = '', by = ''] = process.argv.slice(2)
const store = await openStore({ store: `file:${root}`, keys: 'plaintext', memory: false, by })
const document = store.document('shop/prod', json<string>())
let held: LockedDocument<string> | undefined

async function answer(request: Request): Promise<Answer> {
  switch (request.do) {
    case 'lock': {
      const { leaseMs, waitMs } = request
      held = await document.lock({ operation: 'test', leaseMs, waitMs })
      return { owner: held.owner, ...(held.current === undefined ? {} : { current: held.current.value }) }
    }
    case 'commit':
      await held!.commit(request.value, { parent: 'any' })
      return {}
    case 'commit without end': {
      let committed = 0
      try {
        for (;;) {
          await held!.commit(`${committed + 1}`, { parent: 'any' })
          committed++
        }
      } catch (error) {
        return { committed, lost: held!.signal.aborted, ...codeOf(error) }
      }
    }
    case 'break':
      await document.forceUnlock(request.owner)
      return {}
    case 'release':
      await held!.release()
      return {}
  }
}

function codeOf(error: unknown): { code: string } {
  return { code: KeelstateError.is(error) ? error.code : String(error) }
}

process.on('message', (request: Request) => {
  answer(request)
    .catch((error: unknown) => ({ ...codeOf(error), ...(held === undefined ? {} : { lost: held.signal.aborted }) }))
    .then((reply) => process.send?.(reply))
})
process.send?.({})
