import { KeelstateError } from '../../core/errors.ts'
import { type DoctorReport, doctor, type Finding } from '../../index.ts'
import { usage } from '../arguments.ts'
import { type Call, type Command, defineCommand } from '../command.ts'
import { redactAddress } from '../redact.ts'
import { columns, count, shown } from '../text.ts'

const options = {
  rounds: { type: 'string', value: 'N', help: 'how often writers race; default 25, fewer than 10 are not remembered' },
  writers: { type: 'string', value: 'N', help: 'how many of them at once, 8 to 64; default 8' },
} as const

const VERDICTS: Record<DoctorReport['verdict'], string> = {
  safe: 'safe: state and locks can be kept here',
  unsafe: 'UNSAFE: do not keep state here that more than one process writes, until this is mended',
  unproven: 'UNPROVEN: not every check came to an end',
}

async function examine(call: Call<typeof options>): Promise<DoctorReport> {
  const { store, lock } = await call.settings()
  if (store === undefined)
    throw usage(
      'doctor',
      'No store is configured.',
      'Name one: --store ADDRESS, KEELSTATE_STORE, or "store" in keelstate.json.',
    )
  const [rounds, writers] = [number('rounds', call.options.rounds), number('writers', call.options.writers)]
  return await doctor({
    store: store.value,
    ...(lock && { lock: lock.value }),
    ...(rounds !== undefined && { rounds }),
    ...(writers !== undefined && { writers }),
    onProgress: (check, done, of) => call.progress.update(done, of, check),
    signal: call.signal,
  })
}

function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw usage('doctor', `--${option} needs a whole number.`)
}

function row({ check, verdict, says }: Finding): string[] {
  return [verdict === 'unsafe' ? 'UNSAFE' : verdict, check, shown(says)]
}

function of(findings: readonly Finding[], verdict: Finding['verdict']): Finding[] {
  return findings.filter((finding) => finding.verdict === verdict)
}

/** What the credentials may not do, when checks were not made for it. */
function deniedBy(findings: readonly Finding[]): Finding | undefined {
  const made = findings.map(({ check }) => check)
  if (['create-race', 'list-after-write'].every((check) => made.includes(check))) return undefined
  return of(findings, 'warning').find(({ check }) => check === 'permissions')
}

export const command: Command = defineCommand({
  name: 'doctor',
  about:
    'Proves that the store, and the lock table, do what keelstate rests on: writers race for one object, one version and one lock; readers look at once; the settings of the service are asked for. Needs no key and changes no setting. What was proven is remembered in the store: locks on a custom endpoint are refused before. Exit 1 unless it is safe.',
  positionals: [],
  options,
  examples: [
    ['doctor', 'the configured store and lock table'],
    [
      'doctor --store "s3://state?endpoint=https://minio.example" --rounds 200',
      'longer, for a service that is suspected',
    ],
  ],
  run: examine,
  async people(report, output) {
    const { store, locks, findings, verdict, remembered } = report
    await output.data(columns(findings.map(row)))
    for (const { check, todo } of findings.filter(({ verdict, todo }) => verdict !== 'ok' && todo !== undefined))
      await output.data(`  ${check}: ${shown(todo!)}\n`)
    const counts = (['unsafe', 'warning', 'unknown'] as const).map((kind) => [of(findings, kind).length, kind] as const)
    const rest = counts.flatMap(([n, kind]) => (n === 0 ? [] : [kind === 'warning' ? count(n, kind) : `${n} ${kind}`]))
    const places = [store, ...(locks === undefined ? [] : [locks])].map((place) => redactAddress(place)).join(' and ')
    await output.data(`${places}: ${VERDICTS[verdict]}${rest.length === 0 ? '' : ` (${rest.join(', ')})`}\n`)
    if (remembered) await output.talk('remembered in the store: locks are let in at this address')
  },
  json: ({ store, locks, storeId, verdict, findings, remembered }) => ({
    store: redactAddress(store),
    lock: locks === undefined ? null : redactAddress(locks),
    storeId: storeId ?? null,
    verdict,
    remembered,
    findings: findings.map(({ check, verdict, says, todo }) => ({ check, verdict, says, todo: todo ?? null })),
  }),
  failure({ verdict, findings, store }) {
    if (verdict === 'safe') return undefined
    const bad = of(findings, verdict === 'unsafe' ? 'unsafe' : 'unknown')
    const names = bad.map(({ check }) => check).join(', ')
    const denied = verdict === 'unproven' ? deniedBy(findings) : undefined
    return new KeelstateError(verdict === 'unsafe' ? 'Unsupported' : 'Unavailable', {
      operation: 'doctor',
      key: store,
      message:
        verdict === 'unsafe'
          ? `The store is not safe: ${names}.`
          : `The store could not be proven: ${denied?.says ?? `${names || 'not every check was made'}.`}`,
      hint: [denied, ...bad].find((finding) => finding?.todo !== undefined)?.todo ?? 'Run it again.',
    })
  },
})
