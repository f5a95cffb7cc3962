import { describe, expect, it } from 'vitest'
import { chooseBodyType, detectBodyType } from '../../src/core/body-type.ts'

const detect = (text: string) => detectBodyType(Buffer.from(text))

describe('detecting what a body is', () => {
  it('takes a deployment snapshot for one, by its own members and not by those of something inside it', () => {
    expect(detect('{"format-version": 1, "stack": {"name": "shop"}}')).toBe('snapshot')
    expect(detect('{"entries": [], "format-version": 1}')).toBe('snapshot')
    expect(detect('{"inner": {"format-version": 1, "stack": {}}}')).toBe('json')
    expect(detect('[{"format-version": 1, "stack": {}}]')).toBe('json')
    expect(detect('{"format-version": 1}')).toBe('json')
    expect(detect('"format-version stack"')).toBe('json')
  })

  it('takes for bytes what only begins like JSON, as a half-written state file does', () => {
    for (const text of [
      '',
      ' ',
      '{',
      '{"a": 1',
      '{"a": 1}}',
      '[1,]',
      '{"a" 1}',
      "{'a': 1}",
      '01',
      '1.',
      '-',
      '"a',
      'nul',
      '\ufeff{}',
      '1 2',
    ]) {
      expect(detect(text), JSON.stringify(text)).toBe('bytes')
    }
    expect(detectBodyType(Uint8Array.of(0x22, 0xff, 0x22))).toBe('bytes')
  })

  it('agrees with JSON.parse on 4,000 texts with one character changed', () => {
    const seed = '{"a":[1,-0.5e+7,{"b\\u00e9\\n":null}],"c":{"d":"x y","e":[[],{}]},"f":true,"g":false, "h" : 12 }'
    const replacements = [
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '0',
      '-',
      '.',
      'e',
      '+',
      ' ',
      '\t',
      '\n',
      'u',
      'x',
      '',
    ]
    let state = 7
    const below = (n: number) => {
      state = (state * 48271) % 0x7fffffff
      return state % n
    }
    let json = 0
    for (let round = 0; round < 4_000; round++) {
      const at = below(seed.length)
      const text = seed.slice(0, at) + replacements[below(replacements.length)] + seed.slice(at + below(2))
      expect(detect(text) !== 'bytes', text).toBe(parses(text))
      if (parses(text)) json++
    }
    expect(json).toBeGreaterThan(400)
    expect(json).toBeLessThan(3_600)
  })

  it("keeps the document's last type as long as the body is of that type", () => {
    const choose = (text: string, chosen?: string, last?: string) => chooseBodyType(Buffer.from(text), chosen, last)
    expect(choose('{}')).toBe('json')
    expect(choose('{}', undefined, 'bytes')).toBe('bytes')
    expect(choose('{"format-version":1,"stack":{}}', undefined, 'json')).toBe('json')
    expect(choose('{}', undefined, 'application/x-tar')).toBe('application/x-tar')
    expect(choose('{"cut": ', undefined, 'json')).toBe('bytes')
    expect(choose('{}', undefined, 'snapshot')).toBe('json')
    expect(choose('{}', 'bytes', 'json')).toBe('bytes')
  })

  it('refuses a type that was chosen and does not fit', () => {
    expect(() => chooseBodyType(Buffer.from('{'), 'json', undefined)).toThrow(/no json: it reads as bytes/)
    expect(() => chooseBodyType(Buffer.from('{}'), 'snapshot', undefined)).toThrow(/no snapshot: it reads as json/)
  })
})

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
