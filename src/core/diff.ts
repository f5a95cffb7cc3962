import diffValues from 'microdiff'

/** One difference between two JSON values. */
export interface Change {
  /** Member names and array positions from the root. */
  path: (string | number)[]
  kind: 'added' | 'removed' | 'changed'
  /** Absent when `added`. */
  before?: unknown
  /** Absent when `removed`. */
  after?: unknown
}

/** Compares two bodies as JSON. `undefined` when one of them is not JSON, or is nested too deeply to be compared (thousands of levels). */
export function diffJson(before: Uint8Array, after: Uint8Array): Change[] | undefined {
  try {
    return compareJson(parse(before), parse(after))
  } catch (error) {
    // SyntaxError: no JSON. TypeError: no UTF-8. RangeError: the stack is full.
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError) return undefined
    throw error
  }
}

/** Compares two values as JSON has them. */
export function compareJson(before: unknown, after: unknown): Change[] {
  if (!isContainer(before) || !isContainer(after) || Array.isArray(before) !== Array.isArray(after)) {
    return Object.is(before, after) ? [] : [{ path: [], kind: 'changed', before, after }]
  }
  return diffValues(before, after, { cyclesFix: false }).map((difference): Change => {
    const { path } = difference
    if (difference.type === 'CREATE') return { path, kind: 'added', after: difference.value }
    if (difference.type === 'REMOVE') return { path, kind: 'removed', before: difference.oldValue }
    return { path, kind: 'changed', before: difference.oldValue, after: difference.value }
  })
}

/** Objects without a prototype: a member called `constructor` is a member like any other. */
function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), (_, value: unknown) =>
    isContainer(value) && !Array.isArray(value) ? Object.assign(Object.create(null), value) : value,
  )
}

function isContainer(value: unknown): value is Record<string, unknown> | unknown[] {
  return typeof value === 'object' && value !== null
}
