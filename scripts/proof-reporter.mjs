// Keeps what vitest finds, file by file as it comes, in the journal that KEELSTATE_PROOF names: a run that is killed leaves what was known until then.
// `test/counts.ts` adds its counts to the same journal; `scripts/proof-records.mjs` reads it.
import { appendFileSync } from 'node:fs'
import { relative } from 'node:path'

class ProofReporter {
  onTestModuleStart(module) {
    note({ file: fileOf(module), begun: true })
  }

  onTestModuleEnd(module) {
    const tests = [...module.children.allTests()].map((test) => ({ name: test.fullName, ...test.result() }))
    const having = (...states) => tests.filter(({ state }) => states.includes(state))
    const failures = [
      ...suites(module).flatMap(({ name, errors }) =>
        errors.map((error) => ({ test: name, message: firstLine(error) })),
      ),
      ...having('failed').map(({ name, errors }) => ({ test: name, message: firstLine(errors?.[0]) })),
    ]
    const failed = having('failed').length
    note({
      file: fileOf(module),
      passed: having('passed').length,
      failed: failed === 0 && module.state() === 'failed' ? 1 : failed, // a file that could not even be read, or a hook
      skipped: having('skipped', 'pending').length,
      failures,
    })
  }

  /** What was thrown where no test waited for it fails the run, and belongs to no file for certain. */
  onTestRunEnd(_modules, unhandledErrors) {
    for (const error of unhandledErrors) note({ unhandled: firstLine(error) })
  }
}

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default ProofReporter

/** The file itself and its groups: their errors are those of imports and hooks. */
function suites(module) {
  const groups = [...module.children.allSuites()].map((suite) => ({ name: suite.fullName, errors: suite.errors() }))
  return [{ name: undefined, errors: module.errors() }, ...groups]
}

function note(line) {
  appendFileSync(process.env.KEELSTATE_PROOF, `${JSON.stringify(line)}\n`)
}

function fileOf({ moduleId }) {
  return relative(process.cwd(), moduleId)
}

function firstLine(error) {
  return String(error?.message ?? 'no message').split('\n')[0]
}
