import { quoteJson, type Sink } from './escapes.ts'
import { type Context, MAX_DEPTH, type Path, unwritable } from './problem.ts'
import { isObject, keysOf } from './quick-write.ts'
import { type Layout, lineStart } from './raw.ts'
import { writeScalar } from './scalars.ts'

type Frame =
  | { readonly list: readonly unknown[]; next: number }
  | { readonly keys: readonly string[]; readonly object: Record<string, unknown>; next: number }

/**
 * Writes an untyped value that `JSON.stringify` does not write as Go does, without recursion: 10,000 levels are legal.
 *
 * @throws {KeelstateError} `InvalidInput` that names the part which no JSON can hold.
 */
export function writeUntyped(sink: Sink, root: unknown, layout: Layout, context: Context, path: Path): void {
  const open: Frame[] = []
  const here = (): Path => [
    ...path,
    ...open.map((frame) => ('keys' in frame ? frame.keys[frame.next - 1]! : frame.next - 1)),
  ]
  const begin = (value: unknown): string => {
    const isList = Array.isArray(value)
    if (!isList && !isObject(value)) return writeScalar('any', value, context, here())
    if (path.length + open.length === MAX_DEPTH) {
      throw unwritable(context, here(), `at most ${MAX_DEPTH} levels deep`, 'more, or an object that contains itself')
    }
    const frame: Frame = isList ? { list: value, next: 0 } : { keys: keysOf(value), object: value, next: 0 }
    if (sizeOf(frame) === 0) return isList ? '[]' : '{}'
    open.push(frame)
    return isList ? '[' : '{'
  }
  sink.put(begin(root))
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const depth = path.length + open.length
    const i = top.next++
    if (i === sizeOf(top)) {
      open.pop()
      sink.put(lineStart(layout, depth - 1) + ('keys' in top ? '}' : ']'))
      continue
    }
    sink.put((i === 0 ? '' : ',') + lineStart(layout, depth))
    if ('keys' in top) {
      const key = top.keys[i]!
      sink.put(quoteJson(key) + (layout === 'indented' ? ': ' : ':'))
      sink.put(begin(top.object[key]))
    } else {
      sink.put(begin(top.list[i]))
    }
  }
}

function sizeOf(frame: Frame): number {
  return 'keys' in frame ? frame.keys.length : frame.list.length
}
