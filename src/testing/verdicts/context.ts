import assert from 'node:assert/strict'
import { json } from '../../core/codec.ts'
import type { VersionedDocument } from '../../core/document.ts'
import type { DocumentStatus } from '../../core/document-reader.ts'
import { type ErrorCode, KeelstateError } from '../../core/errors.ts'
import { headKey, objectsPrefix, parseName } from '../../core/names.ts'
import type { Limits } from '../../core/retry.ts'
import type { RevisionInfo } from '../../core/revision.ts'
import type { ObjectStore } from '../../core/store.ts'
import { openStore } from '../../open.ts'
import type { FaultAction, FaultMatch, FaultPlan, FaultRule, Hold } from '../faults.ts'
import type { SuiteCase } from '../suite.ts'
import type { HeadWrite } from './head-writes.ts'

/** A bucket or folder that can be reached with and without faults. */
export interface VerdictPlace {
  /** The way on which `faults` act. */
  readonly through: ObjectStore
  /** A clean way to the same place. */
  readonly direct: ObjectStore
  /** Rules see S3's names of the operations, and a key that ends with the store's own key of the object. */
  readonly faults: Pick<FaultPlan, 'add' | 'hold' | 'clear'>
  /** Resolves when nothing late, held or doubled is still to come. */
  settled(): Promise<void>
  close(): Promise<void>
}

/** A kind of fault, by the name of its action. */
export type FaultKind = FaultAction['do']

/** How the suite gets hold of a store and its faults: in process, in a fixture server, or in a proxy before a real service. */
export interface VerdictHarness {
  /** Names the driver and what it stands on, such as `s3 on MinIO, through a proxy`. */
  readonly name: string
  /** Opens a place of its own that holds no object. Called once per case. */
  open(): Promise<VerdictPlace>
  /** Kinds of fault that this harness cannot make; their cases do not apply. */
  readonly cannot?: readonly FaultKind[]
}

export interface VerdictOptions {
  /** Time limit of one attempt in the cases whose requests stay unanswered, in ms; default 150. */
  attemptMs?: number | undefined
  /** How many writes of others come first where that matters; more than the 64 that a head keeps. Default 300. */
  others?: number | undefined
}

/** One document in a place of its own. */
export interface VerdictContext {
  readonly place: VerdictPlace
  readonly attemptMs: number
  readonly others: number
}

export type VerdictCase = SuiteCase<VerdictContext>

/** What became of a call, as its caller saw it. */
export type Ended = { readonly value: unknown } | { readonly error: KeelstateError }

const STORE_ID = '5afe57a7e0f0d0c0ffee0123456789ab'
const NAME = 'trial'
const READING_MS = 2_500 // a few ms, but for the first request of a process that loads its client among others
const PATIENT: Limits = { attemptMs: 60_000, attemptMsPerMegabyte: 1_000, operationMs: 120_000 }

/** One head write under trial: prepared on the clean way, tried through the faults, judged from the clean way. */
export class Trial {
  readonly context: VerdictContext
  readonly kind: HeadWrite
  /** Requests that read and write the document's head, and those that write its objects. */
  readonly headWrites: FaultMatch = { operation: 'PutObject', key: `*${headKey(parseName(NAME))}` }
  readonly headReads: FaultMatch = { operation: 'GetObject', key: `*${headKey(parseName(NAME))}` }
  readonly uploads: FaultMatch = { operation: 'PutObject', key: `*${objectsPrefix(parseName(NAME))}*` }
  /** The stored heads before the trial, oldest first; the last is the base. */
  readonly copies: Uint8Array[] = []
  readonly #rules: FaultRule[] = []
  #before: { seq: number; lastNumber: number } = { seq: 0, lastNumber: 0 }
  /** Head writes and revisions that others added since. */
  #others = { writes: 0, revisions: 0 }

  private constructor(context: VerdictContext, kind: HeadWrite) {
    this.context = context
    this.kind = kind
  }

  static async prepare(context: VerdictContext, kind: HeadWrite): Promise<Trial> {
    const trial = new Trial(context, kind)
    const document = await trial.document()
    for (const step of kind.prepare) {
      await step(document, context.place.direct)
      trial.copies.push(await trial.storedHead())
    }
    trial.#before = await trial.#counters()
    return trial
  }

  get faults(): VerdictPlace['faults'] {
    return this.context.place.faults
  }

  /** Lets requests through again; first those arrive that were given up on their way, and meet what was planned for them. */
  async endFaults(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.context.attemptMs))
    this.faults.clear()
  }

  /** Limits in which an unanswered request is soon given up, and the operation is not. */
  get hasty(): Limits {
    const { attemptMs } = this.context
    return { attemptMs, attemptMsPerMegabyte: 1_000, operationMs: PATIENT.operationMs }
  }

  /** The same, for an operation that is to run out of time once it has read the head, which must not depend on how busy the machine is. */
  get doomed(): Limits {
    return { ...this.hasty, operationMs: READING_MS + 4 * this.context.attemptMs }
  }

  /** A process that has nothing in memory, on the clean way. */
  async document(store: ObjectStore = this.context.place.direct, limits: Limits = PATIENT): Promise<TrialDocument> {
    const opened = await openStore({ store, keys: 'plaintext', storeId: STORE_ID, memory: false, by: 'trial', limits })
    return opened.document(NAME, json<string>())
  }

  /** Plans a fault, and checks at the end that it happened. */
  plan(match: FaultMatch, action: FaultAction): FaultRule {
    const rule = this.faults.add(match, action)
    this.#rules.push(rule)
    return rule
  }

  hold(match: FaultMatch, options?: { when: 'before' | 'after' }): Hold {
    return this.faults.hold(match, options)
  }

  /** Opens the process under trial, which knows the head, and begins the write. `ended` never rejects. */
  async begin(
    limits: Limits = PATIENT,
    signal?: AbortSignal,
  ): Promise<{ subject: TrialDocument; ended: Promise<Ended> }> {
    const subject = await this.document(this.context.place.through, limits)
    const run = await this.kind.ready(subject)
    return { subject, ended: endOf(run(signal)) }
  }

  /** Begins the write after `plan` and holds its request; resolves when the request has arrived. */
  async beginHeld(
    when: 'before' | 'after',
    limits: Limits = PATIENT,
    signal?: AbortSignal,
  ): Promise<{ hold: Hold; subject: TrialDocument; ended: Promise<Ended> }> {
    const hold = this.hold(this.headWrites, { when })
    const { subject, ended } = await this.begin(limits, signal)
    const first = await Promise.race([hold.arrived().then(() => 'held' as const), ended])
    assert.equal(first, 'held', `the write ended before its request was held: ${inspect(first)}`)
    return { hold, subject, ended }
  }

  /** Lets others do something on the clean way, and counts what they add. */
  async others(work: (document: TrialDocument) => Promise<unknown>): Promise<void> {
    const before = await this.#counters()
    await work(await this.document())
    const after = await this.#counters()
    this.#others.writes += after.seq - before.seq
    this.#others.revisions += after.lastNumber - before.lastNumber
  }

  /** What is stored as the head. */
  async storedHead(): Promise<Uint8Array> {
    const stored = await this.context.place.direct.get(headKey(parseName(NAME)))
    assert.ok(typeof stored === 'object', 'there should be a head')
    return stored.bytes
  }

  /** Puts bytes in the place of the head, as somebody with access to the bucket can. */
  async replaceHead(bytes: Uint8Array): Promise<void> {
    const key = headKey(parseName(NAME))
    const stored = await this.context.place.direct.get(key)
    assert.ok(typeof stored === 'object', 'there should be a head')
    await this.context.place.direct.put(key, bytes, { ifMatch: stored.token })
  }

  /**
   * Judges the end of the write: the verdict that its caller got, and what the document holds, read by another process.
   *
   * @param verdict `ok`, or the code of the error.
   * @param expected `landed`: the write took effect, once; `kept: false` when others may have dropped its traces since.
   */
  async expect(
    ended: Ended,
    verdict: 'ok' | ErrorCode,
    expected: { landed: boolean; kept?: boolean; outcome?: 'landed' | 'not-landed' | 'undecided' },
  ): Promise<void> {
    assert.equal('error' in ended ? ended.error.code : 'ok', verdict, inspect(ended))
    await this.context.place.settled()
    const { landed } = expected
    const witness = await this.document()
    const now = await this.#counters()
    const own = landed ? 1 : 0
    assert.equal(now.seq, this.#before.seq + this.#others.writes + own, 'every head write landed exactly once')
    const added = landed && this.kind.addsRevision ? 1 : 0
    assert.equal(
      now.lastNumber,
      this.#before.lastNumber + this.#others.revisions + added,
      'every revision was added exactly once',
    )
    if (expected.kept !== false && now.seq > 0 && this.kind.effects !== undefined) {
      assert.equal(await this.kind.effects(witness), landed ? 1 : 0, 'the change is in effect exactly if it landed')
    }
    if (verdict === 'ok') await this.kind.afterOk?.(this.context.place.direct)
    if ('error' in ended && KeelstateError.is(ended.error, 'OutcomeUnknown')) {
      const found = await witness.outcome(ended.error.details.write)
      assert.equal(found, expected.outcome ?? (landed ? 'landed' : 'undecided'), 'what outcome() says')
    }
    const report = await witness.verify()
    assert.deepEqual(report.problems, [], 'the document verifies')
    await this.checkFaults()
  }

  /** Every planned fault has happened: the case tried what it says. */
  async checkFaults(): Promise<void> {
    for (const { match, action, fired } of this.#rules) {
      assert.ok(fired > 0, `the fault ${action.do} of ${match.operation} never happened`)
    }
  }

  async #counters(): Promise<{ seq: number; lastNumber: number }> {
    const status = await statusOf(await this.document())
    return { seq: status?.seq ?? 0, lastNumber: status?.lastNumber ?? 0 }
  }
}

export type TrialDocument = VersionedDocument<string>

/** The document's status; `undefined` when it was never created. */
export async function statusOf(document: TrialDocument): Promise<DocumentStatus | undefined> {
  try {
    return await document.status()
  } catch (error) {
    if (KeelstateError.is(error, 'NotFound')) return undefined
    throw error
  }
}

export async function historyOf(document: TrialDocument): Promise<RevisionInfo[]> {
  const all: RevisionInfo[] = []
  for await (const revision of document.history()) all.push(revision)
  return all
}

async function endOf(work: Promise<unknown>): Promise<Ended> {
  try {
    return { value: await work }
  } catch (error) {
    assert.ok(KeelstateError.is(error), `a call ends with a KeelstateError or a result, not with ${String(error)}`)
    return { error }
  }
}

function inspect(ended: Ended | 'held'): string {
  if (ended === 'held' || !('error' in ended)) return 'ok'
  const { code, message, cause } = ended.error
  return `${code}: ${message}${cause instanceof Error ? ` (${cause.message})` : ''}`
}
