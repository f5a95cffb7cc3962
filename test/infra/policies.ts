import type { Statement } from './template.ts'

/** One permission that a request asks for, with the condition keys that it carries. */
export interface Ask {
  readonly action: string
  readonly resource: string
  readonly context: Readonly<Record<string, string>>
}

/**
 * Judges as AWS does, for the operators that the template uses: a deny wins, else something has to allow.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 *
 * @returns `allowed`, the Sid of the statement that denies, or `not granted`.
 */
export function judge(ask: Ask, statements: readonly Statement[]): string {
  const fitting = statements.filter((statement) => fits(statement, ask))
  const denying = fitting.find(({ Effect }) => Effect === 'Deny')
  if (denying !== undefined) return `denied by ${denying.Sid}`
  return fitting.some(({ Effect }) => Effect === 'Allow') ? 'allowed' : 'not granted'
}

export function fits(statement: Statement, { action, resource, context }: Ask): boolean {
  return (
    statement.Action.some((pattern) => matches(pattern, action)) &&
    statement.Resource.some((pattern) => matches(pattern, resource)) &&
    Object.entries(statement.Condition ?? {}).every(([operator, tests]) =>
      Object.entries(tests).every(([key, expected]) => holds(operator, context[key], expected)),
    )
  )
}

function holds(operator: string, value: string | undefined, expected: string): boolean {
  switch (operator) {
    case 'Null':
      return (value === undefined) === (expected === 'true')
    case 'Bool':
      return value === expected
    case 'StringLikeIfExists':
      return value === undefined || matches(expected, value)
    default:
      throw new Error(`the template uses the operator ${operator}, which this test does not know`)
  }
}

/** `*` stands for any run of characters, as in policies. */
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text)
}
