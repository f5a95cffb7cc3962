import type { Range } from './profiles.ts'

/** Chance, out of one seeded sequence. */
export class Dice {
  readonly #random: () => number

  /** @param random Gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  upTo(ms: number): number {
    return this.#random() * ms
  }

  within([from, to]: Range): number {
    return from + this.#random() * (to - from)
  }

  /** A whole number of the range. */
  between([from, to]: Range): number {
    return from + Math.floor(this.#random() * (to - from + 1))
  }

  oneOf<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)]!
  }

  /** One of the names, as often as its weight says. */
  pick<K extends string>(weights: Partial<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][]
    let left = this.#random() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name
    }
    return entries.at(-1)![0]
  }
}
