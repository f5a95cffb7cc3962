import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Line, Operation, Task } from './script.ts'

/** What a process had said when it was killed. */
export interface Death {
  /** It had begun, and the call had not resolved. */
  readonly pending: Operation | undefined
  /** In order, each with what its caller was told. */
  readonly acknowledged: readonly { readonly operation: Operation; readonly id?: string; readonly number?: number }[]
  /** Set when `init` was acknowledged. */
  readonly storeId: string | undefined
  /** Where in its life it was: before its first operation, in or between them, or after the last. */
  readonly phase: 'before' | 'during' | 'after'
}

const OPENING = 0.1 // the part of all deaths that comes before the script begins
const BEYOND = 1.4 // the others are spread over the time that the script takes, and some time after it

/**
 * Starts processes that work on a document and kills them with SIGKILL, at moments that are spread over their lives. How long those are it
 * learns as it goes.
 */
export class Executioner {
  readonly #program: string
  readonly #env: NodeJS.ProcessEnv
  /** From the start to the first operation. */
  #openingMs = 0
  /** One operation. */
  #operationMs = 0

  /** @param program A bundled `programs/writer.ts`. */
  constructor(program: string, env: NodeJS.ProcessEnv) {
    this.#program = program
    this.#env = env
  }

  /** Lets a process live up to `moment` of its life, in [0, 1), or to its end, or until it kills itself as its task says. */
  async run(task: Task, moment: number | 'at the end'): Promise<Death> {
    const started = performance.now()
    const child = spawn(process.execPath, [this.#program, JSON.stringify(task)], {
      env: { PATH: process.env.PATH, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const closed = once(child, 'close')
    const said = new Lines()
    child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
    let complaints = ''
    child.stderr.on('data', (chunk: Buffer) => (complaints += chunk))

    if (moment !== 'at the end' && moment < OPENING) {
      await Promise.race([sleep((moment / OPENING) * this.#openingMs), closed])
    } else {
      await Promise.race([said.has('ready'), closed])
      const ready = performance.now()
      this.#openingMs = average(this.#openingMs, ready - started)
      const work = ((Number(moment) - OPENING) / (1 - OPENING)) * BEYOND * lengthOf(task) * this.#operationMs
      await Promise.race([moment === 'at the end' ? said.has('done') : sleep(work), closed])
      this.#learn((performance.now() - ready) / lengthOf(task), said.doneAt && (said.doneAt - ready) / lengthOf(task))
    }
    child.kill('SIGKILL')
    await closed
    expect({ signal: child.signalCode, complaints }).toEqual({ signal: 'SIGKILL', complaints: '' })
    return said.death(task)
  }

  /** An operation takes as long as it took, or longer than it was given. */
  #learn(livedMs: number, tookMs: number | undefined): void {
    if (tookMs !== undefined) this.#operationMs = average(this.#operationMs, tookMs)
    else this.#operationMs = Math.max(this.#operationMs, livedMs)
  }
}

/** Collects what a process says. */
class Lines {
  readonly #lines: Line[] = []
  readonly #waiting: { say: Line['say']; resolve: () => void }[] = []
  #rest = ''
  /** When the last operation was acknowledged, if it was. */
  doneAt: number | undefined

  push(chunk: Buffer): void {
    const parts = (this.#rest + chunk.toString()).split('\n')
    this.#rest = parts.pop() ?? ''
    this.#lines.push(...parts.map((part): Line => JSON.parse(part)))
    if (this.#find('done')) this.doneAt ??= performance.now()
    for (const { say, resolve } of this.#waiting) if (this.#find(say)) resolve()
  }

  has(say: Line['say']): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ say, resolve })
      if (this.#find(say)) resolve()
    })
  }

  death({ script, init }: Task): Death {
    const acknowledged = this.#lines.flatMap((line) => {
      if (line.say !== 'ack') return []
      const { say: _, operation, ...told } = line
      return [{ operation: script[operation]!, ...told }]
    })
    const last = this.#lines.at(-1)
    const idle = last === undefined || (last.say === 'ready' && !init)
    const pending = last?.say === 'begin' ? script[last.operation] : undefined
    return {
      pending,
      acknowledged,
      storeId: this.#find('initialised')?.storeId,
      phase: last?.say === 'done' ? 'after' : idle ? 'before' : 'during',
    }
  }

  #find<S extends Line['say']>(say: S): Extract<Line, { say: S }> | undefined {
    return this.#lines.find((line): line is Extract<Line, { say: S }> => line.say === say)
  }
}

function lengthOf({ script, init }: Task): number {
  return script.length + (init ? 1 : 0)
}

function average(before: number, now: number): number {
  return before === 0 ? now : (before * 3 + now) / 4
}

/** `count` moments in [0, 1), one in each equal part of it, in an order that `random` gives. */
export function moments(count: number, random: () => number): number[] {
  const all = Array.from({ length: count }, (_, index) => (index + random()) / count)
  for (let last = all.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[all[last], all[other]] = [all[other]!, all[last]!]
  }
  return all
}
