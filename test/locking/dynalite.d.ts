declare module 'dynalite' {
  import type { Server } from 'node:http'

  /** The slice that the tests use. https://github.com/architect/dynalite */
  // biome-ignore lint/style/noDefaultExport: the package exports a function
  export default function dynalite(options?: { createTableMs?: number }): Server
}
