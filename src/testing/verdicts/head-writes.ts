import assert from 'node:assert/strict'
import { type ErrorCode, KeelstateError } from '../../core/errors.ts'
import { objectKey, objectsPrefix, parseName } from '../../core/names.ts'
import type { ObjectStore } from '../../core/store.ts'
import { historyOf, type TrialDocument } from './context.ts'

/** Writes of others that may come between a write and its answer. */
export type Crowd = 'commits' | 'labels' | 'commits and a prune'

/** One kind of head write. */
export interface HeadWrite {
  readonly name: string
  /** What was done to the document before; empty: it does not exist. */
  readonly prepare: readonly ((document: TrialDocument, store: ObjectStore) => Promise<unknown>)[]
  /** Makes the process know the head, and resolves to the call itself. */
  ready(document: TrialDocument): Promise<(signal?: AbortSignal) => Promise<unknown>>
  readonly addsRevision: boolean
  /** How often the change is to be seen in the document. Absent: it shows in nothing but the head's count, which is compared anyway. */
  effects?(document: TrialDocument): Promise<number>
  /** What must hold besides once the call has succeeded. */
  afterOk?(store: ObjectStore): Promise<void>
  /** What its caller is told when others came first and it was not executed; `ok` = it is judged anew, and lands. */
  readonly overtaken: Readonly<Record<Crowd, 'ok' | ErrorCode>>
  /** What its caller is told who aborts it under way when the head write lands; default `ok`. */
  readonly abortedButLanded?: ErrorCode
}

const MARK = 'the write under trial'
const LARGE = 'large '.repeat(4_000) // 24 kB: above what travels in a head
const ORPHAN = objectKey(parseName('trial'), 'dead'.repeat(8))

const threeRevisions: HeadWrite['prepare'] = [
  (document) => document.commit('one', { parent: 'none', message: 'base 1' }),
  (document) => document.commit('two', { parent: 'any', message: 'base 2' }),
  (document) => document.commit('three', { parent: 'any', message: 'base 3' }),
]
const lands = { commits: 'ok', labels: 'ok', 'commits and a prune': 'ok' } as const

const options = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal })

/** Revisions with the mark, each of which must hold what was written. */
async function marked(document: TrialDocument, value?: string): Promise<number> {
  const found = (await historyOf(document)).filter(({ message }) => message === MARK)
  for (const { id } of found) {
    const revision = await document.revision(id)
    if (value !== undefined) assert.equal(revision.value, value)
  }
  return found.length
}

async function isKept(document: TrialDocument, reference: string): Promise<boolean> {
  try {
    await document.info(reference)
    return true
  } catch (error) {
    if (KeelstateError.is(error, 'NotFound')) return false
    throw error
  }
}

const create: HeadWrite = {
  name: 'create',
  prepare: [],
  async ready(document) {
    assert.equal(await document.read(), undefined)
    return (signal) => document.commit('first', { parent: 'none', message: MARK, ...options(signal) })
  },
  addsRevision: true,
  effects: (document) => marked(document, 'first'),
  overtaken: { commits: 'Conflict', labels: 'Conflict', 'commits and a prune': 'Conflict' },
}

const commitSmall: HeadWrite = {
  name: 'commit small',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.commit('small', { parent: 'any', message: MARK, ...options(signal) })
  },
  addsRevision: true,
  effects: (document) => marked(document, 'small'),
  overtaken: lands,
}

const commitOnRead: HeadWrite = {
  name: 'commit on the revision it read',
  prepare: threeRevisions,
  async ready(document) {
    const parent = await document.read()
    assert.ok(parent)
    return (signal) => document.commit('on three', { parent, message: MARK, ...options(signal) })
  },
  addsRevision: true,
  effects: (document) => marked(document, 'on three'),
  overtaken: { commits: 'Conflict', labels: 'ok', 'commits and a prune': 'Conflict' },
}

const commitLarge: HeadWrite = {
  name: 'commit large',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.commit(LARGE, { parent: 'any', message: MARK, ...options(signal) })
  },
  addsRevision: true,
  effects: (document) => marked(document, LARGE),
  overtaken: lands,
}

const update: HeadWrite = {
  name: 'update',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.update((now) => `${now} and more`, { message: MARK, ...options(signal) })
  },
  addsRevision: true,
  async effects(document) {
    const found = (await historyOf(document)).filter(({ message }) => message === MARK)
    for (const { id, parent } of found) {
      const before = await document.revision(parent ?? '')
      assert.equal(
        (await document.revision(id)).value,
        `${before.value} and more`,
        'an update changes its parent, once',
      )
    }
    return found.length
  },
  overtaken: lands,
}

const add: HeadWrite = {
  name: 'add',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.add('added', { message: MARK, ...options(signal) })
  },
  addsRevision: true,
  effects: (document) => marked(document, 'added'),
  overtaken: lands,
}

const setCurrent: HeadWrite = {
  name: 'make another revision current',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.setCurrent('@1', options(signal))
  },
  addsRevision: false,
  // What others commit afterwards has it as its parent.
  effects: async (document) => ((await followsFirst(document)) ? 1 : 0),
  overtaken: { ...lands, 'commits and a prune': 'NotFound' },
}

/** Revision 1 is current, or is the parent of one that was committed later than 3. */
async function followsFirst(document: TrialDocument): Promise<boolean> {
  const all = await historyOf(document)
  const first = all.find(({ number }) => number === 1)
  return all.some(({ number, current, parent }) => (number === 1 && current) || (number > 3 && parent === first?.id))
}

const rollback: HeadWrite = {
  name: 'rollback',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.rollback('@1', { message: MARK, ...options(signal) })
  },
  addsRevision: true,
  effects: (document) => marked(document, 'one'),
  overtaken: { ...lands, 'commits and a prune': 'NotFound' },
}

const label: HeadWrite = {
  name: 'label',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.label('trial', '@2', options(signal))
  },
  addsRevision: false,
  effects: async (document) => ('trial' in (await document.labels()) ? 1 : 0),
  overtaken: { ...lands, 'commits and a prune': 'NotFound' },
}

const unlabel: HeadWrite = {
  name: 'unlabel',
  prepare: [...threeRevisions, (document) => document.label('trial', '@2')],
  async ready(document) {
    await document.read()
    return (signal) => document.unlabel('trial', options(signal))
  },
  addsRevision: false,
  effects: async (document) => ('trial' in (await document.labels()) ? 0 : 1),
  overtaken: lands,
}

const remove: HeadWrite = {
  name: 'delete',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.delete({ message: MARK, ...options(signal) })
  },
  addsRevision: false,
  effects: async (document) => ((await isKept(document, '@1')) ? 0 : 1),
  overtaken: lands,
}

const prune: HeadWrite = {
  name: 'prune',
  prepare: threeRevisions,
  async ready(document) {
    await document.read()
    return (signal) => document.prune({ keepLast: 1 }, options(signal))
  },
  addsRevision: false,
  effects: async (document) => ((await isKept(document, '@1')) ? 0 : 1),
  // Others pruned what this one was to drop: it finds nothing but what they added since.
  overtaken: lands,
}

const drop: HeadWrite = {
  name: 'drop',
  prepare: threeRevisions,
  async ready(document) {
    const { id } = await document.info('@1')
    return (signal) => document.drop([id], options(signal))
  },
  addsRevision: false,
  effects: async (document) => ((await isKept(document, '@1')) ? 0 : 1),
  overtaken: lands,
}

const collect: HeadWrite = {
  name: 'the barrier of collect',
  prepare: [
    ...threeRevisions,
    async (document, store) => {
      await store.put(ORPHAN, Buffer.from('the upload of a writer that died'), { ifAbsent: true })
      await document.label('base', '@3')
    },
  ],
  async ready(document) {
    await document.read()
    return (signal) => document.collect(options(signal))
  },
  addsRevision: false,
  abortedButLanded: 'Aborted', // the deleting that follows is not done
  async afterOk(store) {
    const left = (await store.list(objectsPrefix(parseName('trial')))).objects.map(({ key }) => key)
    assert.ok(!left.includes(ORPHAN), 'what nothing refers to was deleted')
  },
  overtaken: lands,
}

/** Every kind of head write that a caller can cause. */
export const HEAD_WRITES: readonly HeadWrite[] = [
  create,
  commitSmall,
  commitOnRead,
  commitLarge,
  update,
  add,
  setCurrent,
  rollback,
  label,
  unlabel,
  remove,
  prune,
  drop,
  collect,
]

/** The ones whose write changes a head that exists. */
export const ON_A_BASE: readonly HeadWrite[] = HEAD_WRITES.filter(({ prepare }) => prepare.length > 0)

export { commitLarge, commitSmall, update }
