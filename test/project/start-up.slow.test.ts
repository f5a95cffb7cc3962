import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from './source-files.ts'

// What a process loads before it does anything is what its start costs: 0.5 ms and more for each file. Lists, because times differ by machine.
const bin = join(ROOT, 'bin', 'keelstate.cjs')
const folder = mkdtempSync(join(tmpdir(), 'keelstate-start-'))
const env = { PATH: process.env.PATH, HOME: folder }
const counter = join(folder, 'count-modules.mjs')
const list = join(folder, 'loaded')

beforeAll(() => {
  const hooks = `import { appendFileSync } from 'node:fs'
  export async function load(url, context, next) {
    if (url.startsWith('file:')) appendFileSync(${JSON.stringify(list)}, url + '\\n')
    return next(url, context)
  }`
  writeFileSync(
    counter,
    `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}))`,
  )
  run(bin, 'init', '--store', 'file:./state', '--new-key', 'state.key')
  writeFileSync(join(folder, 'settings'), '{"replicas":2}')
  run(bin, 'push', 'shop/settings', 'settings')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a process loads', () => {
  it('for --version nothing but the command line itself', () => {
    expect(loadedBy(bin, '--version')).toEqual({ own: ['cli/main.js'], packages: [] })
  })

  it('for the status of a document in a folder no zod, no SDK, no other command, and no room that it does not need', () => {
    const { own, packages } = loadedBy(bin, 'status', 'shop/settings')
    expect(packages).toEqual(['ulid'])
    expect(own.filter((path) => path.startsWith('cli/commands/'))).toEqual(['cli/commands/status.js'])
    expect(new Set(own.map((path) => path.split('/')[0]))).toEqual(
      new Set(['cli', 'core', 'deployments', 'encrypt', 'file', 'go-json', 'locking', 'open.js']),
    )
    const rarelyNeeded =
      /^(?:core\/(?:diff|verify|collect)|deployments\/codec|locking\/dynamodb\/.*|go-json\/(?:en|de)code.*)\.js$/
    expect(own.filter((path) => rarelyNeeded.test(path))).toEqual([])
    expect(own.length).toBeLessThanOrEqual(115)
  })

  it.each(['keelstate', 'keelstate/deployments'])('for %s as a library no zod and no SDK', (name) => {
    const { packages } = loadedBy('--input-type=module', '--eval', `await import(${JSON.stringify(name)})`)
    expect(packages.filter((one) => one !== 'microdiff')).toEqual(['ulid'])
  })
})

function run(...args: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' })
  expect({ status, stderr }).toMatchObject({ status: 0 })
}

/** Files of ours by their path in `dist`, and names of packages. */
function loadedBy(...args: string[]): { own: string[]; packages: string[] } {
  rmSync(list, { force: true })
  const { status, stderr } = spawnSync(process.execPath, ['--import', counter, ...args], {
    cwd: args[0] === bin ? folder : ROOT,
    env,
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const loaded = readFileSync(list, 'utf8').trim().split('\n')
  const packages = loaded.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
  const own = loaded.flatMap((url) => (url.includes('/node_modules/') ? [] : (/\/dist\/(.*)$/.exec(url)?.[1] ?? [])))
  return { own: own.sort(), packages: [...new Set(packages)].sort() }
}
