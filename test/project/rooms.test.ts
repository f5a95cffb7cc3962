import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { breaches } from './rooms.ts'
import { importsOf, ROOT, readSources } from './source-files.ts'

const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>
}
const sources = readSources()

describe('the rooms of src', () => {
  it('keep to the dependency rule', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(breaches(sources, Object.keys(dependencies))).toEqual([])
  })

  it('are read whole: every package and every neighbour that a file names is seen', () => {
    const seen = new Set(sources.flatMap((source) => importsOf(source).map(({ from }) => from)))
    for (const name of Object.keys(dependencies)) expect(seen).toContain(name)
    // Whatever stands behind `from` at the end of a line, or in an `import()`, found in the plainest way.
    for (const source of sources) {
      const code = source.text.replace(/^\s*(?:\/?\*|\/\/).*$/gm, '')
      const plain = [...code.matchAll(/(?: from |\bimport\()'([^' ]+)'/g)].map(([, from]) => from!)
      expect(importsOf(source).map(({ from }) => from)).toEqual(expect.arrayContaining(plain))
    }
  })
})

describe('the dependency rule', () => {
  const files = (texts: Record<string, string>) => Object.entries(texts).map(([path, text]) => ({ path, text }))
  const clean = {
    'core/head.ts': "import { createHash } from 'node:crypto'\nexport const hash = createHash\n",
    's3/client.ts':
      "import type { S3Client } from '@aws-sdk/client-s3'\nconst sdk = await import('@aws-sdk/client-s3')\n",
    'core/names.ts': 'export const STORE_KEY = 1\n',
    's3/store.ts':
      "import { STORE_KEY } from '../core/names.ts'\nimport { z } from 'zod'\nexport const a = [STORE_KEY, z]\n",
    'deployments/index.ts': "import { hash } from '../core/head.ts'\nexport { hash }\n",
    'open.ts': "export const open = async () => await import('./s3/store.ts')\n",
  }

  it.each([
    ['core that knows a driver', 'core/head.ts', "import { store } from '../s3/store.ts'\n", /core must not know s3/],
    [
      'core that knows a driver by type',
      'core/head.ts',
      "import type { A } from '../s3/store.ts'\n",
      /must not know s3/,
    ],
    ['core that knows a driver late', 'core/head.ts', "const s = await import('../s3/store.ts')\n", /must not know s3/],
    [
      'an import over several lines',
      'core/head.ts',
      "import {\n  a,\n  b,\n} from '../s3/store.ts'\n",
      /must not know s3/,
    ],
    ['a re-export', 'core/head.ts', "export * from '../s3/store.ts'\n", /must not know s3/],
    ['a bare import', 'core/head.ts', "import '../s3/store.ts'\n", /must not know s3/],
    ['an import in a type', 'core/head.ts', "type S = typeof import('../s3/store.ts')\n", /must not know s3/],
    ['a driver that knows the composition', 's3/store.ts', "import { open } from '../open.ts'\n", /must not know src/],
    [
      'a domain room that knows a driver',
      'deployments/a.ts',
      "import { store } from '../s3/store.ts'\n",
      /not know s3/,
    ],
    [
      'a domain room that knows an SDK',
      'deployments/a.ts',
      "const a = await import('@aws-sdk/client-s3')\n",
      /client\.ts/,
    ],
    [
      'an SDK in another file of a driver',
      's3/store.ts',
      "const a = await import('@aws-sdk/client-s3')\n",
      /client\.ts/,
    ],
    ['an SDK at start', 's3/client.ts', "import { S3Client } from '@aws-sdk/client-s3'\n", /at start/],
    ['an SDK at start beside a type', 's3/client.ts', "import { type A, B } from '@aws-sdk/client-s3'\n", /at start/],
    ['an SDK by a computed name', 's3/client.ts', 'const a = await import(name)\n', /computed/],
    ['a package that is no dependency', 'core/head.ts', "import { map } from 'lodash'\n", /no dependency/],
    ['a file that is not there', 'core/head.ts', "import { a } from './tail.ts'\n", /does not exist/],
    ['a default export', 'core/head.ts', 'export default 1\n', /default export/],
    ['a long file', 'core/head.ts', 'export {}\n'.repeat(401), /401 lines/],
    ['a circle', 'core/head.ts', "import { b } from './tail.ts'\n", /circle/, "import { a } from './head.ts'\n"],
    ['a file that helps', 'core/string-utils.ts', 'export {}\n', /says nothing/],
    ['a room that nobody planned', 'plugins/a.ts', "import { hash } from '../core/head.ts'\n", /unknown room/],
    ['a file outside the rooms', 'more.ts', 'export {}\n', /no room/],
  ])('catches %s', (_, path, text, expected, tail?: string) => {
    expect(breaches(files(clean), ['zod'])).toEqual([])
    const broken = { ...clean, [path]: text, ...(tail === undefined ? {} : { 'core/tail.ts': tail }) }
    const found = breaches(files(broken), ['zod'])
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(expected)
    expect(found[0]).toContain(path)
  })

  it('is not fooled by comments and text', () => {
    const text = `// import { a } from '../s3/store.ts'\n/* import '../s3/store.ts' */\nexport const hint = "import { b } from '../s3/store.ts'"\n`
    expect(breaches(files({ ...clean, 'core/head.ts': text }), ['zod'])).toEqual([])
  })
})
