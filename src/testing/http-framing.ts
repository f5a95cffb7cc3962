/** One HTTP/1.1 message as it went over the wire. */
export interface HttpMessage {
  /** `PUT /bucket/key HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly startLine: string
  /** Head and body, byte for byte. */
  readonly bytes: Buffer
  /** Where the body begins in `bytes`. */
  readonly bodyStart: number
  /** The body has neither a length nor chunks: only the end of the connection ends it. */
  readonly untilEnd: boolean
}

const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')
const MAX_HEAD_BYTES = 64 * 1024 // more is not HTTP, or not for us
/** 1xx, 204 and 304 have no body whatever their fields say (RFC 9112, section 6.3). */
const BODILESS_ANSWER = /^HTTP\/1\.[01] (1\d\d|204|304)\b/

/** Cuts the bytes that one side of a connection sends into whole messages: Content-Length, chunked, or until the end. */
export class MessageSplitter {
  #chunks: Buffer[] = []
  #length = 0
  #needed = 1
  #announced = false
  readonly #onExpectContinue: () => void

  /** `onExpectContinue` is called once for each request whose sender waits for `100 Continue` before it sends the body. */
  constructor(onExpectContinue: () => void = () => {}) {
    this.#onExpectContinue = onExpectContinue
  }

  /**
   * Takes what arrived and returns the messages that are complete now. `headAnswered`: the messages answer a HEAD request.
   *
   * @throws {Error} when the bytes are not HTTP/1.1: nothing sensible can be done with the connection any more.
   */
  push(chunk: Buffer, headAnswered = false): HttpMessage[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const whole: HttpMessage[] = []
    while (this.#length >= this.#needed) {
      const pending = this.#joined()
      const bodyStart = pending.indexOf(HEAD_END) + HEAD_END.length
      if (bodyStart < HEAD_END.length) {
        if (pending.length > MAX_HEAD_BYTES) throw new Error('A message head without an end.')
        this.#needed = pending.length + 1
        break
      }
      const head = parseHead(pending.toString('latin1', 0, bodyStart - HEAD_END.length))
      const end = headAnswered ? bodyStart : endOfBody(pending, bodyStart, head)
      if (end === undefined || pending.length < end) {
        this.#needed = end ?? pending.length + 1
        if (head.field('expect')?.toLowerCase() === '100-continue' && !this.#announced) this.#onExpectContinue()
        this.#announced = true
        break
      }
      whole.push({
        startLine: head.startLine,
        bytes: Buffer.from(pending.subarray(0, end)),
        bodyStart,
        untilEnd: false,
      })
      this.#reset(pending.subarray(end))
    }
    return whole
  }

  /** The sender ended: returns the answer whose body had neither a length nor chunks, if there is one. */
  end(): HttpMessage | undefined {
    const pending = this.#joined()
    const bodyStart = pending.indexOf(HEAD_END) + HEAD_END.length
    if (bodyStart < HEAD_END.length) return undefined
    const head = parseHead(pending.toString('latin1', 0, bodyStart - HEAD_END.length))
    this.#reset(Buffer.alloc(0))
    return endsWithConnection(head)
      ? { startLine: head.startLine, bytes: pending, bodyStart, untilEnd: true }
      : undefined
  }

  #joined(): Buffer {
    const joined = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }

  #reset(rest: Buffer): void {
    this.#chunks = [rest]
    this.#length = rest.length
    this.#needed = 1
    this.#announced = false
  }
}

interface MessageHead {
  readonly startLine: string
  field(name: string): string | undefined
}

function parseHead(text: string): MessageHead {
  const [startLine = '', ...fields] = text.split('\r\n')
  if (!/^([A-Z-]+ \S+ HTTP\/1\.[01]|HTTP\/1\.[01] \d\d\d\b.*)$/.test(startLine))
    throw new Error('A start line that is not HTTP/1.1.')
  return {
    startLine,
    field: (name) => {
      const found = fields.find((line) => line.slice(0, line.indexOf(':')).toLowerCase() === name)
      return found?.slice(name.length + 1).trim()
    },
  }
}

function endsWithConnection(head: MessageHead): boolean {
  return (
    head.startLine.startsWith('HTTP/') &&
    !BODILESS_ANSWER.test(head.startLine) &&
    head.field('content-length') === undefined &&
    head.field('transfer-encoding') === undefined
  )
}

/** Where the body that starts at `start` ends (perhaps beyond what arrived), or `undefined` when that is not known yet. */
function endOfBody(buffer: Buffer, start: number, head: MessageHead): number | undefined {
  if (BODILESS_ANSWER.test(head.startLine)) return start
  if (/\bchunked$/i.test(head.field('transfer-encoding') ?? '')) return endOfChunks(buffer, start)
  if (endsWithConnection(head)) return undefined
  const length = Number(head.field('content-length') ?? 0)
  if (!Number.isSafeInteger(length) || length < 0) throw new Error('A Content-Length that is no length.')
  return start + length
}

function endOfChunks(buffer: Buffer, start: number): number | undefined {
  for (let at = start; ; ) {
    const lineEnd = buffer.indexOf(LINE_END, at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(buffer.toString('latin1', at, lineEnd), 16)
    if (Number.isNaN(size)) throw new Error('A chunk without a size.')
    at = lineEnd + LINE_END.length
    if (size > 0) {
      at += size + LINE_END.length
      continue
    }
    for (;;) {
      const trailerEnd = buffer.indexOf(LINE_END, at)
      if (trailerEnd === -1) return undefined
      if (trailerEnd === at) return at + LINE_END.length
      at = trailerEnd + LINE_END.length
    }
  }
}
