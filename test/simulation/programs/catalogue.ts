import { EVERYTHING, type Profile } from '../../../src/testing/simulation/index.ts'
import { MUTATIONS } from '../mutations/index.ts'

export { runSchedule } from '../../../src/testing/simulation/index.ts'
export { MUTATIONS }

/** Who may take part in a schedule, by name: everybody, or as few as one mutation needs to be found. */
export const PROFILES: Readonly<Record<string, Profile>> = {
  everything: EVERYTHING,
  ...Object.fromEntries(MUTATIONS.map(({ name, profile }) => [name, profile])),
}

export function profileNamed(name: string): Profile {
  const found = PROFILES[name]
  if (found === undefined) throw new Error(`There is no profile "${name}".`)
  return found
}
