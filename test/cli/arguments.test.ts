import { describe, expect, it } from 'vitest'
import { type CommandSyntax, commandHelp, parseArguments, synopsis } from '../../src/cli/arguments.ts'

const syntax: CommandSyntax = {
  name: 'push',
  about: 'Pushes.',
  positionals: ['NAME', 'FILE?'],
  options: {
    message: { type: 'string', short: 'm', value: 'TEXT', help: 'why' },
    label: { type: 'string', value: 'LABEL', help: 'a name' },
    'dry-run': { type: 'boolean', help: 'nothing is written' },
  },
  examples: [['push a b', 'an example']],
}

const parse = (...args: string[]) => parseArguments(args, syntax)

describe('reading a command line', () => {
  it('takes options before, between and behind the arguments, long and short, with = and without', () => {
    const { values, positionals } = parse(
      '--store=file:x',
      'shop/prod',
      '-m',
      'why',
      'state.json',
      '--dry-run',
      '--label=v1',
    )
    expect(positionals).toEqual(['shop/prod', 'state.json'])
    expect(values).toMatchObject({ store: 'file:x', message: 'why', label: 'v1', 'dry-run': true, json: false })
  })

  it('takes --key several times, and of every other option the last', () => {
    const { values } = parse('a', '--key', 'env:A', '--key=plaintext', '--label', 'x', '--label', 'y')
    expect(values).toMatchObject({ key: ['env:A', 'plaintext'], label: 'y' })
  })

  it('takes - for standard input, and what follows -- for arguments even if it begins with a dash', () => {
    expect(parse('a', '-').positionals).toEqual(['a', '-'])
    expect(parse('--', '-weird', '--name').positionals).toEqual(['-weird', '--name'])
  })

  it('names the option nearest to an unknown one', () => {
    expect(() => parse('a', '--mesage', 'x')).toThrow('push has no option --mesage; the nearest is --message.')
    expect(() => parse('a', '--dryrun')).toThrow('the nearest is --dry-run')
    expect(() => parse('a', '-x')).toThrow('push has no option -x; known are --message, ')
    expect(() => parse('a', '--constructor')).toThrow('push has no option --constructor')
  })

  it('keeps a program to run, with options of its own, apart from the rest', () => {
    const lock = { ...syntax, name: 'lock', positionals: ['NAME'], rest: 'CMD…' }
    const { positionals, rest, values } = parseArguments(['a', '--dry-run', '--', 'tool', '--label', '-x', '--'], lock)
    expect([positionals, rest]).toEqual([['a'], ['tool', '--label', '-x', '--']])
    expect(values).toMatchObject({ 'dry-run': true, label: undefined })
    expect(parseArguments(['a'], lock).rest).toBeUndefined()
    expect(() => parseArguments(['a', '--'], lock)).toThrow('After -- lock needs CMD…')
    expect(() => parseArguments(['a', 'tool'], lock)).toThrow('lock does not know what to do with "tool".')
    expect(synopsis(lock)).toMatch(/^keelstate lock NAME .*\[-- CMD…\]$/)
  })

  it('takes any number of arguments where the syntax does', () => {
    const many = { ...syntax, positionals: ['DIR', 'NAME…?'] }
    expect(parseArguments(['d'], many).positionals).toEqual(['d'])
    expect(parseArguments(['d', 'a', 'b', 'c'], many).positionals).toEqual(['d', 'a', 'b', 'c'])
    expect(() => parseArguments([], many)).toThrow('push needs DIR.')
    expect(synopsis(many)).toContain('DIR [NAME…]')
  })

  it('says which value is missing, and does not take the next option for it', () => {
    expect(() => parse('a', '--label')).toThrow('--label needs a value (LABEL).')
    expect(() => parse('a', '--label', '--dry-run')).toThrow('--label needs a value (LABEL), but --dry-run follows.')
    expect(parse('a', '--label=--dry-run').values).toMatchObject({ label: '--dry-run' })
    expect(() => parse('a', '--dry-run=yes')).toThrow('--dry-run takes no value.')
  })

  it('says which argument is missing, and which one is too many', () => {
    expect(() => parse()).toThrow('push needs NAME.')
    expect(() => parse('a', 'b', 'c')).toThrow('push does not know what to do with "c".')
    expect(parse('--help').values.help).toBe(true)
  })

  it('shows the syntax, every option with what it means, and the examples', () => {
    expect(synopsis(syntax)).toBe('keelstate push NAME [FILE] [-m TEXT] [--label LABEL] [--dry-run]')
    const help = commandHelp(syntax)
    for (const part of ['-m, --message TEXT', '--store ADDRESS', 'keelstate push a b', 'Pushes.'])
      expect(help).toContain(part)
  })
})
