import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, posix } from 'node:path'
import { type BuildOptions, build, type Metafile } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeBlocks, compile, evaluate, install, newBase, newFolder, type Packed, pack, run } from './packed.ts'
import { ROOT } from './source-files.ts'

const { exports, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>
  version: string
}
const SUBPATHS = Object.entries(exports).flatMap(([path, target]) =>
  typeof target === 'string' ? [] : [{ name: posix.join('keelstate', path), ...target }],
)

const base = newBase()
let packed: Packed
/** Installed as it is, and with `--omit=optional`: without any SDK. */
let whole: string
let bare: string

beforeAll(async () => {
  packed = await pack(base)
  ;[whole, bare] = await Promise.all([install(base, packed.tarball), install(base, packed.tarball, '--omit=optional')])
}, 240_000)

afterAll(() => rmSync(base, { recursive: true, force: true }))

describe('the package', () => {
  it('exports every room that has an index, and nothing that was not built', () => {
    const targets = Object.values(exports).flatMap((target) =>
      typeof target === 'string' ? [target] : [target.types, target.default],
    )
    for (const target of targets) expect(packed.files).toContain(posix.normalize(target))
    const built = packed.files.filter((path) => /^dist\/(?:[^/]+\/)?index\.js$/.test(path))
    expect(built.map((path) => `./${path}`).sort()).toEqual(SUBPATHS.map((subpath) => subpath.default).sort())
  })

  it('holds what users need and nothing else', () => {
    for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json', 'keelstate.schema.json'])
      expect(packed.files).toContain(path)
    const folders = new Set(packed.files.map((path) => path.split('/')[0]))
    expect([...folders].filter((folder) => !/\./.test(folder!) && folder !== 'LICENSE').sort()).toEqual([
      'bin',
      'dist',
      'src',
    ])
    expect(packed.bytes).toBeLessThan(1_500_000)
  })

  it('leads from declarations to sources that are there, and names no path of the machine that built it', () => {
    const root = join(bare, 'node_modules', 'keelstate')
    const maps = packed.files.filter((path) => path.endsWith('.map'))
    expect(maps.length).toBeGreaterThan(50)
    for (const path of maps) {
      const { sources } = JSON.parse(readFileSync(join(root, path), 'utf8')) as { sources: string[] }
      for (const source of sources) expect(packed.files).toContain(posix.join(posix.dirname(path), source))
    }
    for (const path of packed.files) {
      const text = readFileSync(join(root, path), 'utf8')
      expect([path, text.includes(ROOT.replace(/\/$/, '')) || text.includes(posix.dirname(packed.tarball))]).toEqual([
        path,
        false,
      ])
    }
  })

  it.each(['whole', 'bare'])('lets every subpath be imported (%s)', async (kind) => {
    const folder = kind === 'whole' ? whole : bare
    expect(existsSync(join(folder, 'node_modules/@aws-sdk/client-s3'))).toBe(kind === 'whole')
    const names = SUBPATHS.map(({ name }) => name)
    const { code, stdout, stderr } = await evaluate(
      folder,
      `for (const name of ${JSON.stringify(names)}) console.log(name, Object.keys(await import(name)).length > 0)`,
    )
    expect({ code, stderr, lines: stdout.trim().split('\n') }).toEqual({
      code: 0,
      stderr: '',
      lines: names.map((name) => `${name} true`),
    })
  })

  it('hides what is not exported', async () => {
    const { stdout } = await evaluate(
      bare,
      "console.log(await import('keelstate/core/head.js').catch((error) => error.code))",
    )
    expect(stdout.trim()).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('says how to install the SDK when a store needs it and it is absent', async () => {
    const { code, stdout } = await evaluate(bare, openS3(''))
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'Unsupported',
      hint: expect.stringContaining('npm install @aws-sdk/client-s3'),
    })
  })

  it('reaches for the network when the SDK is there', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: randomBytes(20).toString('hex') }
    const { code, stdout } = await evaluate(whole, openS3('?endpoint=http://127.0.0.1:1'), env)
    expect(code).toBe(0)
    expect(['Unavailable', 'Timeout']).toContain((JSON.parse(stdout) as { code: string }).code)
  })
})

describe('types', () => {
  it('compile in a strict project that checks the declarations, with no SDK around', async () => {
    const imports = SUBPATHS.map(({ name }, at) => `import * as room${at} from '${name}'`)
    const all = `${imports.join('\n')}\nexport const rooms = [${imports.map((_, at) => `room${at}`).join(', ')}]\n`
    expect(await compile(bare, { 'all.ts': all })).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it("take the SDK's own client as the client of a store", async () => {
    const source = `
      import { S3Client } from '@aws-sdk/client-s3'
      import { openStore } from 'keelstate'
      import { s3Store } from 'keelstate/s3'
      const store = s3Store({ bucket: 'acme-state', client: new S3Client({ region: 'eu-west-1' }) })
      await using opened = await openStore({ store, keys: 'plaintext' })
      console.log(opened.address)
    `
    expect(await compile(whole, { 'client.ts': source })).toEqual({ code: 0, stdout: '', stderr: '' })
    const { stdout } = await run(whole, process.execPath, ['compiled/client.js'])
    expect(stdout).toBe('s3://acme-state\n')
  })
})

describe('what the pages show', () => {
  const secrets = { STATE_KEY: randomBytes(32).toString('base64'), RECOVERY: 'correct horse battery staple' }

  it('compiles and runs: the sample of README.md', async () => {
    const [sample, ...others] = codeBlocks('README.md', 'ts')
    expect(others).toEqual([])
    expect(await compile(bare, { 'sample.ts': sample! })).toEqual({ code: 0, stdout: '', stderr: '' })
    const { code, stdout, stderr } = await run(bare, process.execPath, ['compiled/sample.js'], secrets)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^3 \w{26} move\n2 \w{26} \n1 \w{26} first\nwas us, is eu\n$/)
  })

  it('compiles and runs: the sample of docs/errors.md', async () => {
    const [sample, ...others] = codeBlocks('docs/errors.md', 'ts')
    expect(others).toEqual([])
    expect(await compile(bare, { 'errors.ts': sample! })).toEqual({ code: 0, stdout: '', stderr: '' })
    const { stdout } = await run(bare, process.execPath, ['compiled/errors.js'])
    expect(stdout).toMatch(/^revision \w{26} is current by now\n$/)
  })

  it('runs: the command lines of README.md', async () => {
    const [script, ...others] = codeBlocks('README.md', 'sh')
    expect(others).toEqual([])
    const folder = newFolder(base)
    const path = `${join(bare, 'node_modules/.bin')}:${process.env.PATH}`
    const { code, stdout, stderr } = await run(folder, 'bash', ['-euo', 'pipefail', '-c', script!], { PATH: path })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toContain('region: "eu" → "us"')
    expect(readFileSync(join(folder, 'shop.json'), 'utf8')).toBe('{"region":"eu","replicas":1}\n')
  })

  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    for (const page of ['README.md', 'CONTRIBUTING.md']) {
      const named = readFileSync(join(ROOT, page), 'utf8').matchAll(/\bnpm (?:run ([\w:]+)|(test))\b/g)
      for (const [, name, test] of named) expect(scripts).toHaveProperty([name ?? test!])
    }
  })

  it('answers to its name and version on the command line', async () => {
    const { stdout } = await run(bare, 'keelstate', ['--version'])
    expect(stdout).toBe(`${version}\n`)
  })
})

describe('a bundle', () => {
  const use = `
    import { json, openStore } from 'keelstate'
    await using store = await openStore({ store: 'file:./bundled', keys: 'plaintext' })
    await store.init()
    const counter = store.document('counter', json())
    await counter.update((now) => (now ?? 0) + 1)
    console.log((await counter.read()).value)
  `

  it('of a folder-only program loads no SDK at start, though the SDK is installed', async () => {
    const { metafile, outdir } = await bundle(whole, use, { splitting: true })
    const started = inputsAtStart(metafile)
    expect(started.filter(isOfSdk)).toEqual([])
    expect(started.some((path) => path.includes('keelstate/dist/core/head.js'))).toBe(true)
    expect(Object.keys(metafile.inputs).some(isOfSdk)).toBe(true) // it is there, in a chunk that only s3:// loads
    const { code, stdout, stderr } = await run(newFolder(base), process.execPath, [join(outdir, 'stdin.js')])
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '1\n', stderr: '' })
  })

  it('of a folder-only program is one file without any SDK, when none is installed', async () => {
    const { metafile, outdir } = await bundle(bare, use, {})
    expect(Object.keys(metafile.inputs).filter(isOfSdk)).toEqual([])
    const { code, stdout } = await run(newFolder(base), process.execPath, [join(outdir, 'stdin.js')])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1\n' })
  })

  it('of one driver holds that driver, core and the option parser, and no other room', async () => {
    const { metafile } = await bundle(
      whole,
      "import { fileStore } from 'keelstate/file'\nconsole.log(fileStore({ root: '.' }).address)",
      {},
    )
    const rooms = Object.keys(metafile.inputs).flatMap((path) => /keelstate\/dist\/(\w+)\//.exec(path)?.[1] ?? [])
    expect([...new Set(rooms)].sort()).toEqual(['core', 'file'])
    expect(Object.keys(metafile.inputs).filter(isOfSdk)).toEqual([])
  })
})

function openS3(query: string): string {
  return `
    import { openStore } from 'keelstate'
    const limits = { operationMs: 2_000 }
    const store = await openStore({ store: 's3://acme-state/prod${query}', keys: 'plaintext', limits })
    const error = await store.id().catch((error) => error)
    console.log(JSON.stringify(error))
  `
}

async function bundle(
  folder: string,
  contents: string,
  options: BuildOptions,
): Promise<{ metafile: Metafile; outdir: string }> {
  const outdir = newFolder(base)
  const { metafile } = await build({
    stdin: { contents, resolveDir: folder },
    absWorkingDir: folder,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    metafile: true,
    outdir,
    logLevel: 'error',
    // The usual lines of who bundles CommonJS dependencies into ES modules.
    banner: {
      js: "import { createRequire as bundledRequire } from 'node:module'; const require = bundledRequire(import.meta.url);",
    },
    ...options,
  })
  return { metafile: metafile!, outdir }
}

/** The modules that run before the first line of the program: those of the entry and of what it imports statically. */
function inputsAtStart({ outputs }: Metafile): string[] {
  const started = new Set<string>()
  const visit = (path: string) => {
    if (started.has(path)) return
    started.add(path)
    for (const { path: next, kind } of outputs[path]!.imports) {
      if (kind === 'import-statement' && outputs[next] !== undefined) visit(next)
    }
  }
  for (const [path, { entryPoint }] of Object.entries(outputs)) if (entryPoint === '<stdin>') visit(path)
  return [...started].flatMap((path) => Object.keys(outputs[path]!.inputs))
}

function isOfSdk(path: string): boolean {
  return /node_modules\/(?:@(?:aws|aws-sdk|smithy|google-cloud)|google-auth-library|gaxios)\//.test(path)
}
