// Peak memory of the command line with a body of 100 MB: in a folder, from a file and back to a file.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { entry } from './snapshots.mjs'

const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const PROGRAM = `const { run } = await import(process.env.CLI)
await run(JSON.parse(process.env.ARGUMENTS))
process.stderr.write('\\npeak ' + process.resourceUsage().maxRSS * 1024)`

export async function memory({ megabytes }) {
  const folder = mkdtempSync(join(tmpdir(), 'keelstate-bench-'))
  try {
    const body = join(folder, 'body.json')
    await writeBody(body, megabytes * 1e6)
    writeFileSync(join(folder, 'keelstate.json'), JSON.stringify({ store: 'file:./state', keys: 'env:BENCH_KEY' }))
    const key = randomBytes(32).toString('base64')
    peak(folder, key, ['init'])
    const push = peak(folder, key, ['push', 'shop/prod', 'body.json'])
    const pull = peak(folder, key, ['pull', 'shop/prod', '-o', 'again.json'])
    const size = statSync(body).size
    if (statSync(join(folder, 'again.json')).size !== size) throw new Error('pull gave another body')
    const row = (name, measured) => ({
      name: `${name} of ${megabytes} MB: peak memory ÷ size`,
      unit: 'ratio',
      measured: measured / size,
      limit: megabytes < 100 ? 6 : 4,
    })
    return [row('push', push), row('pull', pull)]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function peak(cwd, key, args) {
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, CLI, ARGUMENTS: JSON.stringify(args), BENCH_KEY: key, HOME: cwd },
  })
  if (status !== 0) throw new Error(stderr)
  return Number(/peak (\d+)$/.exec(stderr)[1])
}

async function writeBody(path, bytes) {
  const out = createWriteStream(path)
  out.write('{"resources":[')
  for (let n = 0, written = 0; written < bytes; n++) {
    const text = `${n === 0 ? '' : ','}${JSON.stringify(entry(n))}`
    written += text.length
    out.write(text)
  }
  out.end(']}')
  await finished(out)
}
