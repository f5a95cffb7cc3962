import type { Snapshot } from './snapshot.ts'

/** What stands in the place of a value that is not shown. */
export const MASK = '(sensitive)'

const SHORTEST_SECRET = 4 // characters: shorter texts occur everywhere

/**
 * What a snapshot marks as sensitive, so that it can be kept out of what is printed: the inputs and outputs that an entry names, and their texts
 * wherever else they occur, such as an output that hands a password on.
 */
export class Sensitive {
  readonly #texts = new Set<string>()

  /** @param snapshots More than one where what one of them marks must not be seen in another either. */
  constructor(...snapshots: readonly Snapshot[]) {
    for (const { entries = [] } of snapshots) {
      for (const entry of entries) {
        const names = new Set([...(entry.sensitiveInputs ?? []), ...(entry.sensitiveOutputs ?? [])])
        for (const values of [entry.inputs, entry.outputs])
          for (const [name, value] of Object.entries(values ?? {})) if (names.has(name)) this.#collect(value)
      }
    }
  }

  /** A copy without them. */
  mask(value: unknown): unknown {
    if (typeof value === 'string') return this.#holdsSecret(value) ? MASK : value
    if (Array.isArray(value)) return value.map((one) => this.mask(one))
    if (typeof value !== 'object' || value === null) return value
    return record(Object.entries(value).map(([name, one]) => [name, this.mask(one)]))
  }

  /**
   * A copy of an entry, as its file spells it, without them.
   *
   * @param names The inputs and outputs that are masked whole.
   */
  maskEntry(entry: Readonly<Record<string, unknown>>, names: ReadonlySet<string>): Record<string, unknown> {
    return record(
      Object.entries(entry).map(([name, value]) => {
        if (!(name === 'inputs' || name === 'outputs') || typeof value !== 'object' || value === null)
          return [name, this.mask(value)]
        const masked = Object.entries(value).map(([field, one]): [string, unknown] => [
          field,
          names.has(field) ? MASK : this.mask(one),
        ])
        return [name, record(masked)]
      }),
    )
  }

  #collect(value: unknown): void {
    if (typeof value === 'string' && value.length >= SHORTEST_SECRET) this.#texts.add(value)
    else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) this.#collect(one)
  }

  #holdsSecret(text: string): boolean {
    for (const secret of this.#texts) if (text.includes(secret)) return true
    return false
  }
}

/** Names of an entry's inputs and outputs that are sensitive on either side: an output often repeats the input of the same name. */
export function sensitiveNames(entry: Readonly<Record<string, unknown>>): Set<string> {
  const names = [entry['sensitive-inputs'], entry['sensitive-outputs']].flatMap((list) =>
    Array.isArray(list) ? list : [],
  )
  return new Set(names.filter((name) => typeof name === 'string'))
}

/** An object of these members, whatever their names: `__proto__` is one like any other. */
function record(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const made: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, value] of entries) made[name] = value
  return made
}
