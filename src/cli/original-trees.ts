import { resolve } from 'node:path'
import { KeelstateError } from '../core/errors.ts'
import type { DeploymentName } from '../deployments/deployment.ts'
import { type Encrypter, envKey, noop } from '../deployments/encrypter.ts'
import { formatName, parseName } from '../index.ts'
import type { Host } from './host.ts'
import { shown } from './text.ts'

/** What commands on the original's folders take. */
export const TREE_OPTIONS: {
  readonly 'env-key': { readonly type: 'string'; readonly value: string; readonly help: string }
} = {
  'env-key': {
    type: 'string',
    value: 'VAR',
    help: 'the snapshots there are encrypted under the key in this variable (base64)',
  },
}

/** The folder of a tree, as typed and absolute. */
export function treeRoot(host: Host, typed: string): string {
  return resolve(host.cwd, typed)
}

export function treeEncrypter(host: Host, variable: string | undefined): Encrypter {
  return variable === undefined ? noop : envKey(variable, { variables: host.env })
}

/** @throws {KeelstateError} `InvalidName` for a name that is not FACTORY/STACK. */
export function deploymentName(typed: string): DeploymentName {
  const { kind, segments } = parseName(typed)
  const [factory, stack] = segments
  if (kind === 'state' && segments.length === 2 && factory !== undefined && stack !== undefined)
    return { factory, stack }
  throw new KeelstateError('InvalidName', {
    key: typed,
    message: `${JSON.stringify(shown(typed))} names no stack: it must be FACTORY/STACK.`,
    hint: 'A slash inside one of the two is written %2F.',
  })
}

export function documentNameOf({ factory, stack }: DeploymentName): string {
  return formatName({ kind: 'state', segments: [factory, stack] })
}
