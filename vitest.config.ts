import { availableParallelism } from 'node:os'
import type { ViteUserConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// `fast` is what `npm run check` runs; `slow` adds the suites that start processes or repeat thousands of times. CONTRIBUTING.md has the rule.
const PROVE = Boolean(process.env.KEELSTATE_PROVE)
const FULL_MS = 4 * 3_600_000 // full counts take as long as they take
const shared = { testTimeout: PROVE ? FULL_MS : 60_000, hookTimeout: 60_000, setupFiles: ['test/setup.ts'] }

/** Suites that take or wait longest. Begun last, each would go on alone for a minute; vitest goes by the sizes of files until it remembers how long they took. */
const LONGEST = [
  'cli/lock',
  'simulation/simulation',
  'cli/clouds',
  'kill/s3',
  'kill/gcs',
  'kill/file',
  'locking/lost-messages-services',
  'project/package',
  'file/processes',
  'cli/zombies-gcs',
  'gcs/conformance',
  's3/conformance',
  'deployments/backend',
  'locking/schedules',
  'doctor/s3',
].map((name) => `/test/${name}.slow.test.ts`)

/** The longest first; what is fast fills the gaps at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId, project }: TestSpecification) => {
      if (project.name === 'fast') return LONGEST.length + 1
      const named = LONGEST.findIndex((path) => moduleId.endsWith(path))
      return named === -1 ? LONGEST.length : named
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}

const config: ViteUserConfig = {
  test: {
    // Most suites wait for answers, leases and processes for half of their time. The full counts of `npm run prove` compute.
    maxWorkers: PROVE ? '100%' : 2 * availableParallelism(),
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.slow.test.ts', 'test/engines/**'],
          isolate: false, // no room keeps state in its modules, and test/setup.ts gives each file its own environment
        },
      },
      {
        test: {
          ...shared,
          name: 'slow',
          include: ['test/**/*.slow.test.ts'],
          exclude: ['test/engines/**'],
          testTimeout: PROVE ? FULL_MS : 240_000,
        },
      },
    ],
  },
}

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default config
