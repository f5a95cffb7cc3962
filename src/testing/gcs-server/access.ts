import { globPattern } from '../faults.ts'
import type { RawRequest } from '../http-fixture.ts'
import { GcsRefusal } from './answers.ts'

/** https://cloud.google.com/storage/docs/access-control/iam-permissions */
export type GcsPermission =
  | 'storage.buckets.get'
  | 'storage.buckets.getIamPolicy'
  | 'storage.objects.create'
  | 'storage.objects.delete'
  | 'storage.objects.get'
  | 'storage.objects.list'
  | 'storage.objects.update'

/** A permission that a caller does not have: everywhere, or on the objects whose names match (`*` stands for any run of characters). */
export type GcsDenial = GcsPermission | { readonly permission: GcsPermission; readonly name: string }

/** A caller that the server knows by its access token. */
export interface GcsCredential {
  readonly token: string
  /** Shown in refusals. */
  readonly email?: string
  /** Every request with it is `authError`. */
  readonly expired?: boolean
  /** What this caller may not do. Default: it may do everything. */
  readonly deny?: readonly GcsDenial[]
}

/** Who may do what. */
export class GcsAccess {
  readonly #credentials = new Map<string, GcsCredential>()
  readonly #denied = new Map<string, readonly GcsDenial[]>()
  readonly #anonymous: boolean

  constructor(credentials: readonly GcsCredential[], anonymous: boolean) {
    for (const credential of credentials) {
      this.#credentials.set(credential.token, credential)
      this.deny(credential.token, credential.deny ?? [])
    }
    this.#anonymous = anonymous
  }

  /** Replaces what a caller may not do. */
  deny(token: string, denials: readonly GcsDenial[]): void {
    this.#denied.set(token, denials)
  }

  /** Finds out who sent the request, or refuses it. */
  authenticate(raw: RawRequest): Caller {
    const { authorization } = raw.headers
    if (authorization === undefined) return new Caller(undefined, () => (this.#anonymous ? [] : undefined))
    const [, token = ''] = /^Bearer (\S+)$/i.exec(authorization) ?? []
    const credential = this.#credentials.get(token)
    if (credential === undefined || credential.expired) throw new GcsRefusal('authError')
    return new Caller(credential.email ?? 'caller@fixture.example', () => this.#denied.get(token) ?? [])
  }
}

/** One sender. */
export class Caller {
  readonly #email: string | undefined
  readonly #denied: () => readonly GcsDenial[] | undefined

  /** @param denied What it may not do; `undefined`: anything. */
  constructor(email: string | undefined, denied: () => readonly GcsDenial[] | undefined) {
    this.#email = email
    this.#denied = denied
  }

  may(permission: GcsPermission, name = ''): boolean {
    const denied = this.#denied()
    if (denied === undefined) return false
    return !denied.some((denial) =>
      typeof denial === 'string'
        ? denial === permission
        : denial.permission === permission && globPattern(denial.name).test(name),
    )
  }

  /** Refuses unless the sender has the permission. */
  must(permission: GcsPermission, name = ''): void {
    if (this.may(permission, name)) return
    const resource = permission.startsWith('storage.buckets.') || permission.endsWith('.list') ? 'bucket' : 'object'
    const tail = `does not have ${permission} access to the Google Cloud Storage ${resource}. Permission '${permission}' denied on resource (or it may not exist).`
    if (this.#email === undefined) throw new GcsRefusal('required', `Anonymous caller ${tail}`, 401)
    throw new GcsRefusal('accessDenied', `${this.#email} ${tail}`)
  }

  /** Refuses what does not exist as forbidden to a sender who may not list: to it, one must not be told from the other. */
  mustKnowOf(name: string): void {
    if (!this.may('storage.objects.list')) this.#forbidden(name)
  }

  #forbidden(name: string): never {
    const tail = `does not have storage.objects.get access to the Google Cloud Storage object. Permission 'storage.objects.get' denied on resource (or it may not exist).`
    if (this.#email === undefined) throw new GcsRefusal('required', `Anonymous caller ${tail}`, 401)
    throw new GcsRefusal('accessDenied', `${this.#email} ${tail} ${name}`.trim())
  }
}
