import type { z } from 'zod'
import { KeelstateError } from '../core/errors.ts'
import { openStore } from '../open.ts'
import type { Backend } from './backend.ts'
import type {
  FileConfiguration,
  GcsConfiguration,
  MemoryConfiguration,
  S3Configuration,
} from './backend-configurations.ts'
import { type DeploymentOptions, deployment } from './deployment.ts'

/** A kind of backend that an engine can be configured with. */
export interface BackendType {
  readonly name: string
  readonly description: string
  /** The schema of what its configuration may hold. Asked for when a backend is opened: nobody pays for schemas that only stores deployments. */
  readonly configuration: () => Promise<z.ZodType>
  /** Makes a backend from a configuration that was checked against the schema. */
  readonly create: (configuration: unknown, options: DeploymentOptions) => Promise<Backend>
}

/** Backend types by name. */
export interface BackendTypes {
  /** @throws {KeelstateError} `InvalidInput` when the name is empty or taken. */
  register(type: BackendType): void
  /** Sorted by name. */
  list(): BackendType[]
  /** @throws {KeelstateError} `InvalidOptions`: no such type, or a configuration that is not valid. */
  open(type: string, configuration: unknown, options: DeploymentOptions): Promise<Backend>
}

/** A registry of one's own, with the types `file`, `gcs`, `memory` and `s3`. */
export function createBackendTypes(): BackendTypes {
  const types = new Map<string, BackendType>()
  const registry: BackendTypes = {
    register(type) {
      if (type.name === '' || types.has(type.name)) {
        throw new KeelstateError('InvalidInput', {
          operation: 'backendTypes.register',
          message:
            type.name === '' ? 'A backend type needs a name.' : `The backend type ${type.name} is registered already.`,
        })
      }
      types.set(type.name, type)
    },
    list: () => [...types.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    async open(name, configuration, options) {
      const type = types.get(name)
      if (type === undefined) {
        throw new KeelstateError('InvalidOptions', {
          operation: 'openBackend',
          message: `There is no backend type ${JSON.stringify(name)}.`,
          details: { option: 'type' },
          hint: `Registered are: ${[...types.keys()].sort().join(', ')}.`,
        })
      }
      const parsed = (await type.configuration()).safeParse(configuration)
      if (parsed.success) return await type.create(parsed.data, options)
      const { z } = await import('zod')
      throw new KeelstateError('InvalidOptions', {
        operation: 'openBackend',
        message: `The configuration of the ${name} backend is not valid: ${z.prettifyError(parsed.error)}`,
        details: { option: parsed.error.issues[0]?.path.join('.') ?? 'configuration' },
      })
    },
  }
  for (const type of [memory, file, s3, gcs]) registry.register(type)
  return registry
}

const schemaOf = async (type: 'memory' | 'file' | 's3' | 'gcs') =>
  (await import('./backend-configurations.ts')).CONFIGURATIONS[type]

const memory: BackendType = {
  name: 'memory',
  description: 'Ends with the process: for tests.',
  configuration: () => schemaOf('memory'),
  create: async (configuration, options) => {
    const { keys } = configuration as MemoryConfiguration
    return deployment(await openStore({ store: 'memory:', keys }), options)
  },
}

const file: BackendType = {
  name: 'file',
  description: 'A folder on this machine.',
  configuration: () => schemaOf('file'),
  create: async (configuration, options) => {
    const { path, keys, lock, storeId } = configuration as FileConfiguration
    return deployment(await openStore({ store: `file:${path}`, keys, ...given({ lock, storeId }) }), options)
  },
}

const s3: BackendType = {
  name: 's3',
  description: 'A bucket of Amazon S3 or of a store that speaks its protocol with conditional writes.',
  configuration: () => schemaOf('s3'),
  create: async (configuration, options) => {
    const { bucket, prefix, region, endpoint, keys, lock, storeId } = configuration as S3Configuration
    const store = addressOf('s3', bucket, prefix, given({ region, endpoint }))
    return deployment(await openStore({ store, keys, ...given({ lock, storeId }) }), options)
  },
}

const gcs: BackendType = {
  name: 'gcs',
  description: 'A bucket of Google Cloud Storage.',
  configuration: () => schemaOf('gcs'),
  create: async (configuration, options) => {
    const { bucket, prefix, endpoint, userProject, kmsKeyName, keys, lock, storeId } = configuration as GcsConfiguration
    const store = addressOf('gs', bucket, prefix, given({ endpoint, userProject, kmsKeyName }))
    return deployment(await openStore({ store, keys, ...given({ lock, storeId }) }), options)
  },
}

function addressOf(
  scheme: string,
  bucket: string,
  prefix: string | undefined,
  parameters: Record<string, string>,
): string {
  const query = new URLSearchParams(parameters)
  const path = prefix === undefined || prefix === '' ? '' : `/${prefix}`
  return `${scheme}://${bucket}${path}${query.size === 0 ? '' : `?${query}`}`
}

/** What is given, as exactOptionalPropertyTypes wants it. */
function given<T extends Record<string, string | undefined>>(values: T): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** The default registry: the contract's free functions act on it. */
const defaultTypes = createBackendTypes()

/** Adds a type to the default registry. */
export function registerBackendType(type: BackendType): void {
  defaultTypes.register(type)
}

/** The default registry's types, by name. */
export function backendTypes(): BackendType[] {
  return defaultTypes.list()
}

/** Opens a backend of a type of the default registry. */
export async function openBackend(type: string, configuration: unknown, options: DeploymentOptions): Promise<Backend> {
  return await defaultTypes.open(type, configuration, options)
}
