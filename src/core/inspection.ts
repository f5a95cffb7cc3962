import type { CallOptions } from './store.ts'

/** What was looked at, what was found, and what to do about it. */
export interface Finding {
  /** Name of the check, such as `create-race`: stable, for programs. */
  readonly check: string
  /**
   * `unsafe`: state can be lost, exposed or overwritten here. `warning`: it works, and something should be changed. `unknown`: it could not be
   * found out, for the reason that is given.
   */
  readonly verdict: 'ok' | 'warning' | 'unsafe' | 'unknown'
  /** A sentence for a person. */
  readonly says: string
  /** The next step; absent when there is none. */
  readonly todo?: string
}

/** What a driver or lock store can tell about its place beyond reading and writing. Asks; never changes a setting. */
export interface Inspectable {
  /** Yields what it finds as it goes. Never rejects but with `Aborted`: what cannot be found out is a finding. */
  inspect?(options?: CallOptions): AsyncIterable<Finding>
  /** When the credentials that are used now end, where they say so. Sends nothing to the service. */
  credentialsEnd?(options?: CallOptions): Promise<Date | undefined>
}
