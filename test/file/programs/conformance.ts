// Runs the conformance suite without a test runner, as a user whom the file system really refuses. Prints the report as JSON.
import { chmodSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { fileStore } from '../../../src/file/index.ts'
import { runSuite, testObjectStore } from '../../../src/testing/index.ts'
import { fileHarness } from '../harness.ts'

const [parent = ''] = process.argv.slice(2)
const openDenied = async () => {
  const root = mkdtempSync(join(parent, 'denied-'))
  chmodSync(root, 0o000)
  return fileStore({ root })
}
const report = await runSuite(testObjectStore({ ...fileHarness(parent), openDenied }, { rounds: 3 }))
const results = report.results.map((result) =>
  result.outcome === 'failed' ? { ...result, error: String(result.error) } : result,
)
process.stdout.write(JSON.stringify({ ...report, results }))
