import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT, readSources } from './source-files.ts'

const DECISIONS = readdirSync(join(ROOT, 'docs/decisions')).map((name) => `docs/decisions/${name}`)
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...DECISIONS,
]
/** Pages that describe the code in its own words. */
const ABOUT_CODE = ['docs/architecture.md', 'CONTRIBUTING.md', ...DECISIONS]

const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8')
const prose = (page: string): string => read(page).replace(/^```[\s\S]*?^```$/gm, '')
const spans = (page: string): string[] => [...prose(page).matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!)

describe('the pages', () => {
  it.each(PAGES)('link to what is there: %s', (page) => {
    const links = [...prose(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!)
    expect(links.filter((target) => !existsSync(join(ROOT, dirname(page), target)))).toEqual([])
  })

  it.each(PAGES)('name files that exist: %s', (page) => {
    const files = spans(page).filter((text) => /^(?:src|test|docs|bench|scripts|bin)\/[\w./-]+$/.test(text))
    expect(files.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  it.each(ABOUT_CODE)('name functions, types and members that exist: %s', (page) => {
    const code = [read('package.json'), ...readSources().map(({ text }) => text)].join('\n')
    const names = spans(page).filter((text) => /^[A-Za-z]+[a-z](?:[A-Z][a-z]+)+$/.test(text))
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([])
  })

  it('greet with a short page, the two commands on top', () => {
    const lines = read('README.md').split('\n')
    expect(lines.length).toBeLessThanOrEqual(150)
    const top = lines.slice(0, 15).join('\n')
    expect(top).toContain('npm ci && npm run quickstart')
    expect(top).toContain('npm ci && npm test')
  })
})

describe('decision records', () => {
  it('are numbered without gaps', () => {
    expect(DECISIONS.map((page) => Number(/(\d{4})-[a-z0-9-]+\.md$/.exec(page)?.[1]))).toEqual(
      DECISIONS.map((_, at) => at + 1),
    )
  })

  it.each(DECISIONS)('say context, decision, consequences and what was measured, on one page: %s', (page) => {
    const text = read(page)
    expect([...text.matchAll(/^\*\*(\w+)\.\*\*/gm)].map(([, heading]) => heading)).toEqual([
      'Context',
      'Decision',
      'Consequences',
      'Measured',
    ])
    expect(text.split('\n').length).toBeLessThanOrEqual(60)
    expect(text).toContain(`# ${/(\d{4})-/.exec(page)?.[1]} · `)
  })
})
