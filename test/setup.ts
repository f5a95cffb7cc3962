import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// What readers remember of heads, and keep of objects, belongs in a folder of the test's own, not in the home of whoever runs it.
process.env.XDG_STATE_HOME = mkdtempSync(join(tmpdir(), 'keelstate-test-'))
process.env.XDG_CACHE_HOME = mkdtempSync(join(tmpdir(), 'keelstate-test-'))
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
