import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { readPage, updating, writePage } from './docs.ts'

const bin = fileURLToPath(new URL('../../bin/keelstate.cjs', import.meta.url))
const SHOWN_HOME = '/home/ada'
const SHOWN_FOLDER = `${SHOWN_HOME}/projects/shop/network`
const SHOWN_AUTHOR = 'ada@dev'
const BLOCK = /^```console\n(.*?)^```$/gms

it('docs/cli.md shows what its examples print, in the order of the page', { timeout: 120_000 }, () => {
  const author = `${userInfo().username}@${hostname()}`
  const home = mkdtempSync(join(tmpdir(), 'keelstate-docs-'))
  const folder = join(home, 'infra')
  const path = join(home, 'bin')
  mkdirSync(folder)
  mkdirSync(path)
  writeFileSync(join(path, 'keelstate'), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`)
  chmodSync(join(path, 'keelstate'), 0o755)
  const env = { PATH: `${path}:${process.env.PATH}`, HOME: home }
  const print = (command: string) => {
    const { stdout } = spawnSync('sh', ['-c', `exec 2>&1; ${command}`], { cwd: folder, env, encoding: 'utf8' })
    return `$ ${command}\n${stdout}`
      .replaceAll(folder, SHOWN_FOLDER)
      .replaceAll(home, SHOWN_HOME)
      .replaceAll(author, SHOWN_AUTHOR)
  }
  let blocks = 0
  const page = readPage()
  const printed = page.replace(BLOCK, (_block, text: string) => {
    blocks++
    const commands = text.split('\n').filter((line) => line.startsWith('$ '))
    return `\`\`\`console\n${commands.map((line) => print(line.slice(2))).join('')}\`\`\``
  })
  rmSync(home, { recursive: true })
  if (updating) writePage(printed)
  expect(blocks).toBeGreaterThan(10)
  expect(plain(updating ? readPage() : page)).toBe(plain(printed))
})

/** Without what differs from run to run and from user to user: ids, times, sizes of heads and of what was verified, widths of columns. */
function plain(text: string): string {
  return text
    .replace(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, 'REVISION')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/\b[0-9a-f]{32}\b/g, 'STORE')
    .replace(/\b\d{8}T\d{9}Z-[0-9a-f]{8}\b/g, 'SAVE')
    .replace(/static:[0-9a-f]{16}/g, 'static:KEY')
    .replace(/1,\d{3} B\b/g, '1,NNN B')
    .replace(/^(ok .*) \d+ B$/gm, '$1 N B')
    .replace(/ {2,}/g, ' ')
}
