import type { Readable, Writable } from 'node:stream'

/** An output stream, and whether a person looks at it. */
export type OutputStream = Writable & { readonly isTTY?: boolean }
export type InputStream = Readable & { readonly isTTY?: boolean }

/** What a command may touch of the process that runs it. */
export interface Host {
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Fires on SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal
  /** From now on signals go to `to` and no longer fire `signal`, until the returned function is called. */
  relaySignals(to: (signal: NodeJS.Signals) => void): () => void
}
