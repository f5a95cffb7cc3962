import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

/** One file below `src`, with slashes in its path whatever the machine. */
export interface SourceFile {
  /** Such as `core/head.ts`. */
  readonly path: string
  readonly text: string
}

export interface Import {
  /** As written: `./head.ts`, `node:zlib`, `zod`. `undefined` when it is computed. */
  readonly from: string | undefined
  /** `import()` that runs, as opposed to a statement. */
  readonly dynamic: boolean
  /** Gone after compilation: `import type`, `export type`, `import('x').T`. */
  readonly type: boolean
}

export function readSources(folder: string = join(ROOT, 'src')): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => ({
      path: relative(folder, join(folder, path)).split(sep).join('/'),
      text: readFileSync(join(folder, path), 'utf8'),
    }))
}

const STATEMENT = /^(?:import|export)\b(\s+type\b(?!\s*,|\s+from\b))?([^'"`;=]*?\bfrom)?\s*(['"])([^'"]+)\3/gm
const CALL = /\bimport\(\s*(?:(['"])([^'"]+)\1\s*(?:,|\)))?/g

/** The imports and re-exports of a file. Written for the formatted code of this project, not for TypeScript at large. */
export function importsOf(source: SourceFile): Import[] {
  const text = withoutComments(source.text)
  const imports: Import[] = []
  for (const [, type, names, , from] of text.matchAll(STATEMENT)) {
    imports.push({ from: from!, dynamic: false, type: type !== undefined || onlyTypes(names ?? '') })
  }
  for (const match of text.matchAll(CALL)) {
    const before = text.slice(0, match.index).trimEnd()
    // `typeof import('x')` and `import('x').T` in a type; an `import()` that runs is awaited, returned or called upon.
    const type =
      /(?:\btypeof|[:<|&])$/.test(before) || /^(?:type|interface)\b/.test(lineOf(text, match.index, match[0].length))
    imports.push({ from: match[2], dynamic: !type, type })
  }
  return imports
}

/** `{ type A, type B } from`: nothing of it runs. */
function onlyTypes(names: string): boolean {
  const list = /^\s*\{([^}]*)\}\s*from$/.exec(names)?.[1]
  if (list === undefined) return false
  const members = list.split(',').map((name) => name.trim())
  return members.every((name) => name === '' || name.startsWith('type ')) && members.some((name) => name !== '')
}

function lineOf(text: string, at: number, length: number): string {
  const begin = text.lastIndexOf('\n', at) + 1
  return text.slice(begin, text.indexOf('\n', at + length) >>> 0)
}

function withoutComments(text: string): string {
  // A string is matched first, so that what looks like a comment inside one stays.
  return text.replace(
    /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_, string: string | undefined) => string ?? '',
  )
}
