// What a process pays before its first request: CPU of whole processes, in turns, beside that of a bare Node and of an SDK.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { json, openStore } from 'keelstate'
import { startService } from './service.mjs'
import { change, KEYS } from './subject.mjs'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const BIN = fileURLToPath(new URL('../bin/keelstate.cjs', import.meta.url))
const REPORT = `process.on('exit', () => {
  const { user, system } = process.cpuUsage()
  require('node:fs').writeSync(3, String((user + system) / 1000))
})`

export async function start({ starts, slack }) {
  const folder = mkdtempSync(join(tmpdir(), 'keelstate-bench-'))
  const service = await startService()
  try {
    const reporter = join(folder, 'report.cjs')
    writeFileSync(reporter, REPORT)
    writeFileSync(join(folder, 'keelstate.json'), JSON.stringify({ store: 'file:./state', keys: 'plaintext' }))
    const spawn = (cwd, args) => {
      const { status, stderr, output } = spawnSync(process.execPath, ['--require', reporter, ...args], {
        cwd,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
        input: '{"replicas":2}',
      })
      if (status !== 0) throw new Error(stderr)
      return Number(output[3])
    }
    spawn(folder, [BIN, 'init'])
    spawn(folder, [BIN, 'push', 'shop/settings', '-'])
    const store = await openStore({ store: service.store('start'), keys: KEYS, memory: false, cache: false })
    const { storeId } = await store.init()
    await store.document('shop/settings', json()).commit(change(0), { parent: 'none' })
    await store.close()
    const evaluate = (code) => ['--input-type=module', '--eval', code]
    const options = { store: service.store('start'), keys: KEYS, storeId, memory: false, cache: false }
    const processes = {
      bare: () => spawn(HERE, ['--eval', '0']),
      version: () => spawn(folder, [BIN, '--version']),
      status: () => spawn(folder, [BIN, 'status', 'shop/settings']),
      library: () =>
        spawn(
          HERE,
          evaluate(
            "const { openStore } = await import('keelstate'); await openStore({ store: 'file:./none', keys: 'plaintext' })",
          ),
        ),
      sdk: () => spawn(HERE, evaluate("await import('@aws-sdk/client-s3')")),
      read: () =>
        spawn(
          HERE,
          evaluate(`const { json, openStore } = await import('keelstate')
        const store = await openStore(${JSON.stringify(options)})
        if ((await store.document('shop/settings', json()).read()) === undefined) throw new Error('nothing was read')
        await store.close()`),
        ),
    }
    const times = Object.fromEntries(Object.keys(processes).map((name) => [name, []]))
    for (let round = 0; round < starts; round++)
      for (const [name, run] of Object.entries(processes)) times[name].push(run())
    const cpu = Object.fromEntries(Object.entries(times).map(([name, each]) => [name, Math.min(...each)]))
    return [
      { name: 'keelstate --version ÷ node -e 0', unit: 'ratio', measured: cpu.version / cpu.bare, limit: 1.5 * slack },
      {
        name: 'keelstate status, folder ÷ node -e 0',
        unit: 'ratio',
        measured: cpu.status / cpu.bare,
        limit: 3 * slack,
      },
      {
        name: 'opening a folder ÷ importing client-s3',
        unit: 'ratio',
        measured: (cpu.library - cpu.bare) / (cpu.sdk - cpu.bare),
        limit: 0.75 * slack,
      },
      {
        name: 'first read from S3: CPU beside importing the SDK',
        unit: 'ms',
        measured: cpu.read - cpu.sdk,
        limit: 100 * slack,
        missed: 115,
      },
    ]
  } finally {
    service.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
