import { posix } from 'node:path'
import { type Import, importsOf, type SourceFile } from './source-files.ts'

const DRIVERS = ['memory', 'file', 's3', 'gcs']
const DOMAINS = ['deployments', 'records', 'lockfile', 'catalog', 'ledger']
const COMPOSING = ['index.ts', 'open.ts', 'diagnose.ts'] // the only files outside a room: they put the library together

/** Which rooms each room may import; its own goes without saying. docs/architecture.md "Rooms". */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | 'anything'>> = {
  core: [],
  ...Object.fromEntries([...DRIVERS, 'encrypt', 'locking'].map((room) => [room, ['core']])),
  'go-json': ['core'],
  doctor: ['core', 'locking'],
  // `open.ts` turns a backend's configuration into a store; it loads drivers only when their address is named.
  ...Object.fromEntries(DOMAINS.map((room) => [room, ['core', 'encrypt', 'locking', 'go-json', 'src']])),
  cli: ['core', 'go-json', ...DRIVERS, 'encrypt', 'locking', ...DOMAINS, 'src'],
  testing: 'anything',
  // `open.ts` brings the form of snapshots, so that whoever opens a document can read it; it is loaded when it is met.
  src: ['core', ...DRIVERS, 'encrypt', 'locking', 'doctor', 'deployments'],
}

const WITH_CLIENTS = [...DRIVERS, 'encrypt', 'locking'] // rooms that speak to a service, through its SDK
const SDK = /^(?:@(?:aws-sdk|aws|smithy|google-cloud)\/|google-auth-library$|gaxios$)/
const EMPTY_NAMES = /^(?:utils?|helpers?|managers?|common|misc|shared)$/
const MAX_LINES = 400

/** Every breach of the project's structure, as sentences; none when all is well. */
export function breaches(sources: readonly SourceFile[], dependencies: readonly string[]): string[] {
  const paths = new Set(sources.map(({ path }) => path))
  return [
    ...sources.flatMap((source) => [
      ...importsOf(source).flatMap((one) => breachOfImport(source.path, one, paths, dependencies)),
      ...breachOfForm(source),
    ]),
    ...cycles(sources),
  ]
}

function breachOfImport(
  path: string,
  one: Import,
  paths: ReadonlySet<string>,
  dependencies: readonly string[],
): string[] {
  const { from } = one
  if (from === undefined) return [`${path} imports something computed: bundlers and readers need a literal`]
  if (from.startsWith('node:')) return []
  if (from.startsWith('.')) return breachOfRooms(path, from, paths)
  if (SDK.test(from)) return breachOfSdk(path, one)
  return dependencies.includes(packageOf(from)) ? [] : [`${path} imports ${from}, which is no dependency`]
}

function breachOfRooms(path: string, from: string, paths: ReadonlySet<string>): string[] {
  const target = posix.join(posix.dirname(path), from)
  if (!paths.has(target)) return [`${path} imports ${from}, which does not exist`]
  const [room, other] = [roomOf(path), roomOf(target)]
  const allowed = MAY_IMPORT[room]
  if (allowed === undefined) return [`${path} lies in the unknown room ${room}`]
  if (allowed === 'anything' || room === other || allowed.includes(other)) return []
  return [`${path} imports ${target}: ${room} must not know ${other}`]
}

function breachOfSdk(path: string, { from, dynamic, type }: Import): string[] {
  const room = roomOf(path)
  if (!dynamic && !type) return [`${path} imports ${from} at start: SDKs are optional, import them when they are used`]
  if (room === 'testing') return []
  if (WITH_CLIENTS.includes(room) && posix.basename(path) === 'client.ts') return []
  return [`${path} imports ${from}: only a driver's client.ts knows an SDK`]
}

function breachOfForm({ path, text }: SourceFile): string[] {
  const found: string[] = []
  const lines = text.split('\n').length - 1
  if (lines > MAX_LINES) found.push(`${path} has ${lines} lines; beyond ${MAX_LINES} a file is split`)
  if (/^export default\b|^export \{[^}]*\bas default\b/m.test(text)) found.push(`${path} has a default export`)
  if (path.split('/').some((part) => EMPTY_NAMES.test(part.replace(/\.ts$/, '').replace(/^.*-/, ''))))
    found.push(`${path} has a name that says nothing`)
  if (roomOf(path) === 'src' && !COMPOSING.includes(path)) found.push(`${path} lies in no room`)
  return found
}

/** Files that need each other to be loaded. Types may go in circles: nothing is left of them at run time. */
function cycles(sources: readonly SourceFile[]): string[] {
  const graph = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source)
        .filter(({ type, dynamic, from }) => !type && !dynamic && from?.startsWith('.'))
        .map(({ from }) => posix.join(posix.dirname(source.path), from!)),
    ]),
  )
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) {
      found.push(`${[...trail.slice(trail.indexOf(path)), path].join(' → ')} is a circle`)
    } else if (!done.has(path)) {
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : 'src'
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
