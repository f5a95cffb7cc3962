import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exitCodeOf } from '../../src/cli/exit-codes.ts'
import { type ErrorCode, KeelstateError } from '../../src/index.ts'
import { ROOT, readSources } from './source-files.ts'

const rows = [...readFileSync(join(ROOT, 'docs/errors.md'), 'utf8').matchAll(/^\| `([A-Z]\w+)` \| (.+) \|$/gm)].map(
  ([, code, rest]) => {
    const [meaning, retry, next, exit] = rest!.split(' | ')
    return { code: code as ErrorCode, meaning, retry, next, exit }
  },
)
const sources = readSources()

describe('docs/errors.md', () => {
  it('has one row for every code, in the order of the source', () => {
    const { text } = sources.find(({ path }) => path === 'core/errors.ts')!
    const table = text.slice(text.indexOf('DEFAULT_RETRY'))
    const codes = [...table.slice(0, table.indexOf('\n}')).matchAll(/^ {2}(\w+): '/gm)].map(([, code]) => code)
    expect(codes.length).toBeGreaterThan(20)
    expect(rows.map(({ code }) => code)).toEqual(codes)
  })

  it.each(rows)('says the truth about retry and exit code of $code', ({ code, retry, exit }) => {
    const error = new KeelstateError(code, { message: '' })
    expect(retry).toBe(error.retry)
    expect(exit).toBe(String(exitCodeOf(withDetails(error))))
  })

  it.each(rows)('says what $code means and what to do next', ({ meaning, next }) => {
    expect(meaning!.length).toBeGreaterThan(20)
    expect(next).toBeTruthy()
  })

  it('says which codes nothing throws yet', () => {
    const code = sources.map(({ path, text }) => (path === 'core/errors.ts' ? '' : text)).join('\n')
    const thrown = (name: string) => code.includes(`KeelstateError('${name}'`) || code.includes(`code: '${name}'`)
    for (const { code: name, meaning } of rows)
      expect([name, !thrown(name)]).toEqual([name, meaning!.includes('nothing throws it yet')])
  })
})

/** An absent document, as opposed to an absent store, which is another exit code. */
function withDetails(error: KeelstateError): KeelstateError {
  return error.code === 'NotFound'
    ? new KeelstateError('NotFound', { message: '', details: { subject: 'document' } })
    : error
}
