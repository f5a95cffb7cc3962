import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { KeelstateError } from './errors.ts'
import { type HeadMemory, higher, ProcessMemory, REMEMBERED_DOCUMENTS, type RememberedHead } from './memory.ts'

const SAVE_DELAY_MS = 500

/** The folder for what readers remember: `$XDG_STATE_HOME/keelstate`, else `~/.local/state/keelstate`. */
export function defaultMemoryFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_STATE_HOME
  return join(base !== undefined && base !== '' ? base : join(homedir(), '.local', 'state'), 'keelstate')
}

/**
 * A memory kept in a private local file, one per store address and store id, merged by maximum with what other processes wrote.
 *
 * A file that cannot be read or written is treated as empty: the memory is a second line of defence, and its loss must not stop work.
 */
export class FileMemory implements HeadMemory {
  readonly file: string
  readonly #process = new ProcessMemory()
  /** Seen since the last save, by when it was seen last. */
  readonly #seen = new Map<string, RememberedHead>()
  /** What is to be remembered since the last save whatever the file says, or nothing. */
  readonly #replaced = new Map<string, RememberedHead | undefined>()
  #changed = false
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<boolean> = Promise.resolve(true)

  private constructor(file: string) {
    this.file = file
  }

  /** Reads what was remembered about the store with this address and id. */
  static async open(folder: string, address: string, storeId: string): Promise<FileMemory> {
    const name = createHash('sha256').update(`${address}\n${storeId}`).digest('hex').slice(0, 32)
    const memory = new FileMemory(join(folder, 'heads', `${name}.json`))
    for (const [document, head] of await memory.#read()) memory.#process.remember(document, head)
    return memory
  }

  recall(document: string): RememberedHead | undefined {
    return this.#process.recall(document)
  }

  remember(document: string, head: RememberedHead): void {
    const known = this.#process.recall(document)
    const highest = higher(known, head)
    this.#process.remember(document, highest)
    this.#seen.delete(document)
    this.#seen.set(document, highest)
    if (this.#seen.size > REMEMBERED_DOCUMENTS) this.#seen.delete(this.#seen.keys().next().value!)
    if (highest === known) return // worth a place among the newest at the next save, but no save
    this.#changed = true
    this.#timer ??= setTimeout(() => void this.flush(), SAVE_DELAY_MS).unref()
  }

  async replace(document: string, head: RememberedHead | undefined): Promise<void> {
    await this.#process.replace(document, head)
    this.#seen.delete(document)
    this.#replaced.set(document, head)
    this.#changed = true
    if (await this.#saveNext()) return
    throw new KeelstateError('Unavailable', {
      operation: 'memory.replace',
      key: document,
      message: `What this machine remembers of ${document} could not be changed: ${this.file} cannot be written.`,
      hint: 'Make the folder writable (by default $XDG_STATE_HOME/keelstate), then accept again.',
    })
  }

  async flush(): Promise<void> {
    await this.#saveNext()
  }

  /** Saves after whatever save is under way; resolves to whether all is on disk. */
  async #saveNext(): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#saving = this.#saving.then(() => this.#save())
    return await this.#saving
  }

  async #save(): Promise<boolean> {
    if (!this.#changed) return true
    const seen = [...this.#seen]
    const replaced = [...this.#replaced]
    this.#seen.clear()
    this.#replaced.clear()
    this.#changed = false
    const temporary = `${this.file}.${randomBytes(6).toString('hex')}`
    try {
      const merged = new Map(await this.#read())
      for (const [document, head] of replaced) {
        merged.delete(document)
        if (head !== undefined) merged.set(document, head)
      }
      for (const [document, head] of seen) {
        const highest = higher(merged.get(document), head)
        merged.delete(document) // re-inserted at the end: the file's order is by last use
        merged.set(document, highest)
      }
      const kept = [...merged].slice(-REMEMBERED_DOCUMENTS)
      await mkdir(dirname(this.file), { recursive: true, mode: 0o700 })
      await writeFile(temporary, JSON.stringify({ format: 'keelstate-heads/1', heads: Object.fromEntries(kept) }), {
        mode: 0o600,
        flag: 'wx',
      })
      await rename(temporary, this.file)
      return true
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined)
      return false
    }
  }

  async #read(): Promise<[string, RememberedHead][]> {
    try {
      const json: unknown = JSON.parse(await readFile(this.file, 'utf8'))
      const heads = typeof json === 'object' && json !== null && 'heads' in json ? json.heads : undefined
      if (typeof heads !== 'object' || heads === null) return []
      return Object.entries(heads).flatMap(([document, head]) =>
        isRemembered(head) ? [[document, head] as [string, RememberedHead]] : [],
      )
    } catch {
      return []
    }
  }
}

function isRemembered(value: unknown): value is RememberedHead {
  if (typeof value !== 'object' || value === null) return false
  const head = value as Record<string, unknown>
  return typeof head.birth === 'string' && typeof head.id === 'string' && Number.isSafeInteger(head.seq)
}
