/** What a service answered, by row. */
export type MatrixObservations = Readonly<Record<string, string>>

/** A row of a service's matrix, as far as it is compared. */
export interface MatrixRow {
  /** Stable; what deviations refer to. */
  readonly id: string
  /** What the service answers. */
  readonly expected: string
}

/** Whom the observations are of. */
export interface MatrixSubject {
  /** The service whose answers the rows give. */
  readonly service: string
  /** What is known of an engine that claims to be like it: what it answers instead, by row. */
  readonly engine?: { readonly name: string; readonly deviations: Readonly<Record<string, string>> } | undefined
}

/**
 * Compares what was observed with what the service answers and with the known deviations of an engine.
 *
 * @returns one line for each difference: a deviation that is not known, or a known one that is no longer true.
 */
export function matrixProblems(
  observed: MatrixObservations,
  rows: readonly MatrixRow[],
  { service, engine }: MatrixSubject,
): string[] {
  const deviations = engine?.deviations ?? {}
  const problems = Object.keys(deviations)
    .filter((id) => !rows.some((row) => row.id === id))
    .map((id) => `${id}: a deviation is known for a row that does not exist`)
  for (const { id, expected } of rows) {
    const known = deviations[id]
    const answer = observed[id] ?? 'not observed'
    if (known === expected) problems.push(`${id}: the known deviation is what ${service} answers`)
    else if (answer !== (known ?? expected)) {
      problems.push(
        known === undefined
          ? `${id}: ${answer}, where ${service} answers ${expected}`
          : `${id}: ${answer}, where ${engine?.name} is known for ${known}`,
      )
    }
  }
  return problems
}
