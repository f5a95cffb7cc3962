import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, vi } from 'vitest'

const environment = process.env
const before = { ...environment }
const memory = mkdtempSync(join(tmpdir(), 'keelstate-test-'))

// What readers remember of heads, and keep of objects, belongs in a folder of the test's own, not in the home of whoever runs it.
process.env.XDG_STATE_HOME = memory
process.env.XDG_CACHE_HOME = join(memory, 'cache')
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

// Fast files share a process: the next one finds the environment as this one did.
afterAll(() => {
  process.env = environment // a test may have put another object there, which those who keep this one would not see
  vi.unstubAllEnvs()
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
  Object.assign(process.env, before)
  rmSync(memory, { recursive: true, force: true })
})
