import type { ViteUserConfig } from 'vitest/config'

// `fast` is what `npm run check` runs; `slow` adds the suites that start processes or repeat thousands of times. CONTRIBUTING.md has the rule.
const shared = { testTimeout: 60_000, hookTimeout: 60_000, setupFiles: ['test/setup.ts'] }

const config: ViteUserConfig = {
  test: {
    maxWorkers: '100%', // vitest would leave one core idle, which is half of them where there are two
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
          testTimeout: 240_000,
        },
      },
    ],
  },
}

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default config
