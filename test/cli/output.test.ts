import { PassThrough, Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { EXIT, exitCodeOf } from '../../src/cli/exit-codes.ts'
import { Output } from '../../src/cli/output.ts'
import { startProgress } from '../../src/cli/progress.ts'
import { FAILURE } from '../../src/cli/schemas.ts'
import { columns, safeJson, shown, suggestion } from '../../src/cli/text.ts'
import { type ErrorCode, KeelstateError } from '../../src/core/errors.ts'

const HOSTILE = '\u001b[2J\u009b31m\u202eexe.\u2066\ufeff\u0007\r\n'

function streams() {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const text = (stream: PassThrough) => (stream.read() as Buffer | null)?.toString() ?? ''
  return { stdout, stderr, out: () => text(stdout), err: () => text(stderr) }
}

describe('what commands print', () => {
  it('keeps data and talk apart', async () => {
    const { out, err, ...host } = streams()
    const output = new Output(host, false)
    await output.data(Uint8Array.of(104, 105))
    await output.talk('hello')
    expect([out(), err()]).toEqual(['hi', 'hello\n'])
  })

  it('is one JSON object that names its schema', async () => {
    const { out, ...host } = streams()
    await new Output(host, true).result('list', { documents: [] })
    expect(out()).toBe('{"schema":"keelstate.list/1","documents":[]}\n')
  })

  it('reports a failure with five members as the last line of stderr, and nothing on stdout', async () => {
    const { out, err, ...host } = streams()
    const error = new KeelstateError('Conflict', { message: 'moved', key: 'shop/prod', operation: 'commit' })
    await new Output(host, true).failure(error)
    const json = JSON.parse(err().trimEnd().split('\n').at(-1)!)
    expect(json).toEqual({
      error: { code: 'Conflict', message: 'moved', hint: null, retry: 'after-refresh', key: 'shop/prod' },
    })
    expect(FAILURE.safeParse(json).success).toBe(true)
    expect(out()).toBe('')
  })

  it('reports what is no error of ours without a stack', async () => {
    const { err, ...host } = streams()
    await new Output(host, true).failure(new TypeError('x is not a function'))
    expect(JSON.parse(err())).toMatchObject({
      error: { code: 'Unexpected', message: 'x is not a function', retry: 'never' },
    })
  })

  it('cannot make a terminal do anything, in text or in JSON', async () => {
    const { out, err, ...host } = streams()
    await new Output(host, true).result('list', { name: HOSTILE })
    await new Output(host, false).failure(new KeelstateError('NotFound', { message: HOSTILE, hint: HOSTILE }))
    const json = out()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    const live = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/
    expect(json).not.toMatch(live)
    expect(err()).not.toMatch(live)
    expect(JSON.parse(json).name).toBe(HOSTILE)
    expect(shown(HOSTILE)).not.toMatch(/[\n\r]/)
  })

  it('ends quietly when the reader of a pipe went away', async () => {
    const closed = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })),
    })
    closed.on('error', () => {})
    await expect(new Output({ stdout: closed, stderr: closed }, false).data('x')).resolves.toBeUndefined()
  })

  it('prints numbers beyond 2^53 as text and nothing of the value else changes', () => {
    expect(safeJson({ epoch: 2n ** 60n, text: 'ä ✓ 👍' })).toBe('{"epoch":"1152921504606846976","text":"ä ✓ 👍"}')
  })

  it('lays columns out without trailing blanks', () => {
    expect(
      columns([
        ['a', 'bbb', ''],
        ['aaaa', 'b', 'c'],
      ]),
    ).toBe('a     bbb\naaaa  b    c\n')
  })

  it('suggests the word that was meant, or says what there is when none is near', () => {
    expect(suggestion('sotre', ['store', 'keys'])).toBe('the nearest is store')
    expect(suggestion('lock', ['message', 'store'], '--')).toBe('known are --message, --store')
  })
})

describe('exit codes', () => {
  it.each([
    ['Conflict', EXIT.conflict],
    ['PreconditionFailed', EXIT.conflict],
    ['Locked', EXIT.locked],
    ['Corrupt', EXIT.corrupt],
    ['DecryptFailed', EXIT.corrupt],
    ['RolledBack', EXIT.corrupt],
    ['OutcomeUnknown', EXIT.unknown],
    ['Aborted', EXIT.interrupted],
    ['InvalidName', EXIT.usage],
    ['InvalidOptions', EXIT.usage],
    ['BucketMissing', EXIT.failed],
    ['AccessDenied', EXIT.failed],
    ['Unavailable', EXIT.failed],
  ] as const)('%s is %i', (code: ErrorCode, exit) => {
    expect(exitCodeOf(new KeelstateError(code, { message: 'x' } as never))).toBe(exit)
  })

  it('tell "no such document" from "no such store", which a pipeline must not take for a fresh start', () => {
    const missing = (subject: 'document' | 'revision' | 'store') =>
      new KeelstateError('NotFound', { message: 'x', details: { subject } })
    expect(exitCodeOf(missing('document'))).toBe(5)
    expect(exitCodeOf(missing('revision'))).toBe(5)
    expect(exitCodeOf(missing('store'))).toBe(1)
    expect(exitCodeOf(new Error('x'))).toBe(1)
  })
})

describe('progress', () => {
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  it('shows how far a long piece of work is on a terminal, and clears its line', async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true })
    const progress = startProgress('verify', terminal, 5)
    progress.update(3, 1200, 'shop/\u001b[2J')
    await wait(60)
    progress.stop()
    const text = (terminal.read() as Buffer).toString()
    expect(text).toContain('verify shop/\\u001b[2J: 3 of 1,200')
    expect(text.endsWith('\r\u001b[2K')).toBe(true)
  })

  it('shows nothing for short work, and nothing where nobody looks', async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true })
    startProgress('push', terminal).stop()
    const pipe = new PassThrough()
    const progress = startProgress('push', pipe, 1)
    progress.update(1, 2)
    await wait(30)
    progress.stop()
    expect(terminal.read()).toBeNull()
    expect(pipe.read()).toBeNull()
  })
})
