import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'
import { count } from '../counts.ts'
import { bundle } from '../kill/bundle.ts'
import { ProcessWorkspace } from './processes.ts'
import { zombieCases } from './zombies.ts'

const SHORTEST_LEASE = '10s'

let server: ChildProcess
let store: string
let at: ProcessWorkspace

const program = await bundle(new URL('programs/gcs-server.ts', import.meta.url))

beforeAll(async () => {
  server = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = (await once(server.stdout!, 'data')) as [Buffer]
  store = said.toString().trim()
})
afterAll(() => void server.kill('SIGKILL'))

let places = 0
beforeEach(() => {
  at = new ProcessWorkspace()
  at.ok(['init', '--store', store.replace('/prod?', `/${++places}?`), '--new-key', 'state.key'])
})
afterEach(() => at.remove())

describe('two command lines on Google Cloud Storage, with one write a second of each object', () => {
  zombieCases(() => at, SHORTEST_LEASE, count(8, 3))
})
