import { expect } from 'vitest'
import { type ErrorCode, KeelstateError } from '../../src/core/errors.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { type GcsStoreOptions, gcsStore } from '../../src/gcs/index.ts'
import { type S3StoreOptions, s3Store } from '../../src/s3/index.ts'
import {
  type GcsServer,
  type GcsServerOptions,
  type S3Server,
  type S3ServerOptions,
  startGcsServer,
  startS3Server,
} from '../../src/testing/index.ts'

export const HEAD = 'heads/state/doc/~'
export const OBJECT = 'objects/state/doc/~/1'
export const ABSENT = { ifAbsent: true } as const
export const FOREVER: { times: number } = { times: Number.POSITIVE_INFINITY }

type Call = (store: ObjectStore, signal?: AbortSignal) => Promise<unknown>

/** What a driver can be asked for, each in one request. */
export function callsWith(body: Uint8Array): Readonly<Record<string, Call>> {
  return {
    get: (store, signal) => store.get(HEAD, { signal }),
    put: (store, signal) => store.put(HEAD, body, ABSENT, { signal }),
    delete: (store, signal) => store.delete([OBJECT], { signal }),
    list: (store, signal) => store.list('', { signal }),
  }
}

/** The error of a call that has to fail, with this code. */
export async function refusal<C extends ErrorCode>(call: Promise<unknown>, code: C): Promise<KeelstateError<C>> {
  const error: unknown = await call.then(
    () => expect.unreachable('the call resolved'),
    (reason: unknown) => reason,
  )
  if (!KeelstateError.is(error, code)) throw error
  return error
}

/** A fixture server for each case, with the bucket `state`, and stores in it through the service's real client. */
export class DriverBench<Server extends S3Server | GcsServer, ServerOptions, StoreOptions> {
  readonly #startServer: (options?: ServerOptions) => Promise<Server>
  readonly #open: (server: Server, options: Partial<StoreOptions>) => ObjectStore
  readonly #stores: ObjectStore[] = []
  #server: Server | undefined

  constructor(
    startServer: (options?: ServerOptions) => Promise<Server>,
    open: (server: Server, options: Partial<StoreOptions>) => ObjectStore,
  ) {
    this.#startServer = startServer
    this.#open = open
  }

  get server(): Server {
    return this.#server!
  }

  /** Begins a case, or begins it again with other options. */
  async start(options?: ServerOptions): Promise<void> {
    await this.#server?.close()
    this.#server = await this.#startServer(options)
    this.#server.createBucket('state')
  }

  open(options: Partial<StoreOptions> = {}): ObjectStore {
    const store = this.#open(this.server, options)
    this.#stores.push(store)
    return store
  }

  /** Ends a case. */
  async stop(): Promise<void> {
    for (const store of this.#stores.splice(0)) await store.close()
    await this.server.close()
  }
}

export type S3Bench = DriverBench<S3Server, S3ServerOptions, S3StoreOptions>
export type GcsBench = DriverBench<GcsServer, GcsServerOptions, GcsStoreOptions>

/** @param usual Of every store that is opened. */
export function s3Bench(usual: Partial<S3StoreOptions> = {}): S3Bench {
  const open: (server: S3Server, options: Partial<S3StoreOptions>) => ObjectStore = (server, options) =>
    s3Store({ ...server.clientConfig, bucket: 'state', ...usual, ...options })
  return new DriverBench(startS3Server, open)
}

/** @param usual Of every store that is opened. */
export function gcsBench(usual: Partial<GcsStoreOptions> = {}): GcsBench {
  const open: (server: GcsServer, options: Partial<GcsStoreOptions>) => ObjectStore = (server, options) =>
    gcsStore({ ...server.clientConfig, bucket: 'state', ...usual, ...options })
  return new DriverBench(startGcsServer, open)
}
