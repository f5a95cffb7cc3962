import assert from 'node:assert/strict'
import { bytes, KeelstateError } from '../../src/index.ts'
import type { Place } from './places.ts'
import { contentOf, type Operation, type Task } from './script.ts'
import { after, agrees, type DocumentState, digestOf, NOTHING, stateOf } from './state.ts'
import type { Death, Executioner } from './victim.ts'

const DOCUMENT = 'shop/prod'
const TIDY_EVERY = 10 // rounds after which somebody prunes and collects
const KEPT = 30

/** What came of all rounds. */
export interface Tally {
  /** Deaths by their moment: before the first operation of a script, in one, after the last. */
  before: number
  during: number
  after: number
  /** Of the operations that nobody was told the end of, those that had taken effect and those that had not. */
  landed: number
  lost: number
  /** Objects that the dead left behind, and that were collected. */
  collected: number
}

export function newTally(): Tally {
  return { before: 0, during: 0, after: 0, landed: 0, lost: 0, collected: 0 }
}

/** One document, processes that die at it, and what the living have been told. */
export class Rounds {
  readonly #place: Place
  readonly #executioner: Executioner
  readonly #tally: Tally
  #state: DocumentState = NOTHING
  #count = 0

  constructor(place: Place, executioner: Executioner, tally: Tally) {
    this.#place = place
    this.#executioner = executioner
    this.#tally = tally
  }

  /** What the document says, as everybody knows by now. */
  get state(): DocumentState {
    return this.#state
  }

  /** Makes the store, and the document with so many revisions. */
  async begin(revisions: number): Promise<void> {
    await using store = await this.#place.open()
    await store.init()
    const document = store.document(DOCUMENT, bytes())
    for (let number = 1; number <= revisions; number++) {
      const message = `base ${number}`
      const operation = { do: 'commit', message, bytes: number % 4 === 0 ? 12_000 : 300 } as const
      const { id } = await document.commit(contentOf(message, operation.bytes), { parent: 'any', message })
      this.#state = after(this.#state, operation, id)
    }
  }

  /**
   * Lets one process work and die, and holds the document to what was acknowledged.
   *
   * @param options.init The process makes the store first.
   */
  async round(
    script: readonly Operation[],
    moment: number | 'at the end',
    options: Partial<Pick<Task, 'init' | 'dieAt'>> = {},
  ): Promise<Death> {
    const { store, keys, memory } = this.#place
    const death = await this.#executioner.run(
      { store, keys, memory, document: DOCUMENT, init: false, script, ...options },
      moment,
    )
    await this.#place.settled()
    for (const { operation, id, number } of death.acknowledged) {
      this.#state = after(this.#state, operation, id)
      if (number !== undefined) assert.equal(number, this.#state.lastNumber, 'the number that its caller was told')
    }
    this.#count += 1
    this.#tally[death.phase] += 1
    const round = `round ${this.#count}, killed ${death.phase} ${JSON.stringify(death.pending ?? script)}`
    if (options.init) await this.#initAgain(death.storeId, round)
    await this.#judge(death.pending, round)
    return death
  }

  /** A store whose making was interrupted is there or is not; it can be made then, and is never made anew. */
  async #initAgain(told: string | undefined, round: string): Promise<void> {
    await using store = await this.#place.open()
    const found = await store.id().catch((error: unknown) => {
      const absent = KeelstateError.is(error, 'NotFound') || KeelstateError.is(error, 'BucketMissing')
      return absent ? undefined : Promise.reject(error)
    })
    if (told !== undefined) assert.equal(found, told, round)
    const { storeId, created } = await store.init()
    assert.equal(created, found === undefined, round)
    if (found !== undefined) assert.equal(storeId, found, round)
  }

  /** A process that knows nothing but what readers remember opens the document, and goes on with it. */
  async #judge(pending: Operation | undefined, round: string): Promise<void> {
    await using store = await this.#place.open()
    const document = store.document(DOCUMENT, bytes())
    const told = this.#state
    const possible = pending === undefined ? [told] : [told, after(told, pending)]
    const found = await document.verify()
    const seen = await stateOf(document)
    assert.deepEqual(found.problems, [], round)
    assert.equal(found.revisions, seen.revisions.length, round)
    assertOneOf(seen, possible, round)
    const current = await document.read()
    assert.equal(current && digestOf(current.value), seen.revisions.at(-1)?.digest, round)

    // What the dead process had sent can land no more once somebody else's write has.
    const message = `the next one after ${round}`
    const next: Operation = { do: 'commit', message, bytes: this.#count % 2 === 0 ? 250 : 12_000 }
    const { id } = await document.commit(contentOf(message, next.bytes), { parent: 'any', message })
    const now = await stateOf(document)
    const [lost, landed] = possible.map((state) => after(state, next, id))
    assertOneOf(now, [lost!, ...(landed === undefined ? [] : [landed])], `${round}, and then the next one`)
    this.#state = now
    if (landed !== undefined && !agrees(lost!, landed)) {
      const hasLanded = agrees(now, landed)
      assert.ok(hasLanded || !agrees(seen, possible[1]!), `${round}: it was seen, and then it was not`)
      this.#tally[hasLanded ? 'landed' : 'lost'] += 1
    }
    if (this.#count % TIDY_EVERY === 0) await this.tidy()
  }

  /** Prunes, and collects what that and the dead have left: everything that nothing refers to. */
  async tidy(): Promise<void> {
    await using store = await this.#place.open()
    const document = store.document(DOCUMENT, bytes())
    const { unreachable } = await document.verify()
    await document.prune({ keepLast: KEPT })
    await document.collect({ graceMs: 0 })
    const context = `tidied after round ${this.#count}`
    const left = await document.verify()
    assert.deepEqual([left.problems, left.unreachable], [[], 0], context)
    const now = await stateOf(document)
    assertOneOf(now, [after(this.#state, { do: 'prune', keepLast: KEPT })], context)
    this.#state = now
    this.#tally.collected += unreachable
  }
}

/** The document is as everybody was told, or as that and the one operation that nobody was told the end of. */
function assertOneOf(seen: DocumentState, possible: readonly DocumentState[], context: string): void {
  if (possible.some((state) => agrees(seen, state))) return
  assert.fail(`${context}: the document says\n${inspect(seen)}\nand not any of\n${possible.map(inspect).join('\n')}`)
}

function inspect({ revisions, lastNumber, labels }: DocumentState): string {
  const newest = revisions.slice(-6).map(({ number, id, message, digest }) => ({ number, id, message, digest }))
  return JSON.stringify({ kept: revisions.length, newest, lastNumber, labels })
}
