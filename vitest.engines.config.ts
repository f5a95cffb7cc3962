import type { ViteUserConfig } from 'vitest/config'

const minutes = process.env.KEELSTATE_PROVE ? 20 : 4

const config: ViteUserConfig = {
  test: {
    name: 'engines',
    include: ['test/engines/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: minutes * 60_000,
    hookTimeout: 60_000,
    reporters: ['verbose'],
    fileParallelism: false, // an engine that serves two suites at once is slow, and slow is flaky
  },
}

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default config
