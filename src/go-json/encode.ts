import { quoteJson, replaceHalves, Sink, textOf } from './escapes.ts'
import { type Context, type Path, unwritable } from './problem.ts'
import { asPlain, isEmpty, isObject, isStruct, keysOf, UNLIKE } from './quick-write.ts'
import { type Layout, lineStart, relayout } from './raw.ts'
import { describe, EXPECTED, writeScalar } from './scalars.ts'
import type { MapShape, Shape, StructShape } from './shape.ts'
import { writeUntyped } from './untyped.ts'

export interface EncodeOptions {
  /** Default `indented`. */
  layout?: Layout
  /** Follows the document, such as a line feed. Default nothing. */
  end?: string
}

/**
 * Writes a value as Go's `json.MarshalIndent(v, "", "  ")` or `json.Marshal` would, byte for byte.
 *
 * @param value As described at `Shape`. A member that is `undefined` is absent. Untyped values may hold null, booleans, finite numbers, bigints
 *   (written exactly), strings, lists and plain objects.
 * @throws {KeelstateError} `InvalidInput` that names the member which cannot be written, and what it must be.
 */
export function encode(value: unknown, shape: Shape, context: Context, options: EncodeOptions = {}): Uint8Array {
  const sink = new Sink()
  new Writer(sink, options.layout ?? 'indented', context).value(shape, value, [])
  sink.put(options.end ?? '')
  return sink.finish()
}

const MARGIN = 1.02 // of what a long list is expected to take, judged by its first run
const RUN = 32 // elements of a list that go through JSON.stringify together; some tens of kB of a snapshot

class Writer {
  private readonly sink: Sink
  private readonly layout: Layout
  private readonly context: Context

  constructor(sink: Sink, layout: Layout, context: Context) {
    this.sink = sink
    this.layout = layout
    this.context = context
  }

  /** Writes one value, which stands as many levels deep as `path` is long. */
  value(shape: Shape, value: unknown, path: Path): void {
    switch (shape.kind) {
      case 'struct':
        this.struct(shape, value ?? {}, path)
        break
      case 'list':
        this.list(shape.of, value, path)
        break
      case 'pointer':
        if (value === undefined || value === null) this.sink.put('null')
        else this.value(shape.to, value, path)
        break
      case 'raw':
        if (value instanceof Uint8Array) this.sink.put(textOf(relayout(value, this.layout, path.length, this.context)))
        else this.sink.put(writeScalar('raw', value, this.context, path))
        break
      case 'any':
      case 'map': {
        const plain = asPlain(shape, value)
        if (plain !== UNLIKE) this.sink.put(native([plain], path.length, this.layout))
        else if ('of' in shape) this.map(shape, value, path)
        else writeUntyped(this.sink, value, this.layout, this.context, path)
        break
      }
      default:
        this.sink.put(writeScalar(shape.kind, value === undefined ? ZEROS[shape.kind] : value, this.context, path))
    }
  }

  private struct(shape: StructShape, value: unknown, path: Path): void {
    if (!isStruct(value)) throw this.refuse(path, 'an object', value)
    const stray = Object.keys(value).find(
      (key) => value[key] !== undefined && !shape.fields.some(({ member }) => member === key),
    )
    if (stray !== undefined) {
      const members = shape.fields.map(({ member }) => member).join(', ')
      throw unwritable(this.context, [...path, stray], `one of ${members}`, 'another member')
    }
    const fields = shape.fields.filter((field) => !(field.omitEmpty && isEmpty(field, value[field.member])))
    this.container('{}', fields, path.length, (field) => {
      this.name(field.name)
      this.value(field.shape, value[field.member], [...path, field.member])
    })
  }

  private map(shape: MapShape, value: unknown, path: Path): void {
    if (!isObject(value)) throw this.refuse(path, 'an object', value)
    this.container('{}', keysOf(value), path.length, (key) => {
      this.name(key)
      this.value(shape.of, value[key], [...path, key])
    })
  }

  private list(of: Shape, value: unknown, path: Path): void {
    if (value === undefined || value === null) {
      this.sink.put('null')
      return
    }
    if (!Array.isArray(value)) throw this.refuse(path, 'a list', value)
    const depth = path.length + 1
    const separator = (first: boolean) => (first ? '[' : ',') + lineStart(this.layout, depth)
    const long = value.length > 2 * RUN
    const start = long ? this.sink.length : 0
    let run: unknown[] = [] // neighbours up to `i` that JSON.stringify can write
    const writeRun = (i: number) => {
      if (run.length === 0) return
      this.sink.put(separator(i === run.length))
      this.sink.put(native(run, depth, this.layout))
      if (i === RUN && long) this.sink.expect(Math.ceil((value.length / RUN) * (this.sink.length - start) * MARGIN))
      run = []
    }
    for (const [i, item] of value.entries()) {
      if (run.length === RUN) writeRun(i)
      const plain = item === undefined ? UNLIKE : asPlain(of, item)
      if (plain !== UNLIKE) {
        run.push(plain)
        continue
      }
      if (item === undefined) throw this.refuse([...path, i], EXPECTED.any, item)
      writeRun(i)
      this.sink.put(separator(i === 0))
      this.value(of, item, [...path, i])
    }
    writeRun(value.length)
    this.sink.put(value.length === 0 ? '[]' : `${lineStart(this.layout, path.length)}]`)
  }

  private container<T>(brackets: '{}' | '[]', items: Iterable<T>, depth: number, write: (item: T) => void): void {
    let before = brackets[0]!
    for (const item of items) {
      this.sink.put(before + lineStart(this.layout, depth + 1))
      write(item)
      before = ','
    }
    this.sink.put(before === ',' ? lineStart(this.layout, depth) + brackets[1]! : brackets)
  }

  private name(name: string): void {
    this.sink.put(quoteJson(name) + (this.layout === 'indented' ? ': ' : ':'))
  }

  private refuse(path: Path, expected: string, found: unknown): Error {
    return unwritable(this.context, path, expected, describe(found))
  }
}

const ZEROS = { string: '', bool: false, int: 0, float: 0, time: undefined, bytes: undefined }

/**
 * Values, `depth` levels deep, as `JSON.stringify` writes them with a comma between each two. It indents them as deep as they stand when they are
 * wrapped in that many lists.
 */
function native(values: readonly unknown[], depth: number, layout: Layout): string {
  if (depth === 0) return replaceHalves(JSON.stringify(values[0], null, layout === 'indented' ? 2 : 0))
  if (layout === 'compact') return replaceHalves(JSON.stringify(values).slice(1, -1))
  let nested = values
  for (let level = 1; level < depth; level++) nested = [nested]
  const before = depth * (depth + 3) // for each list '[', a line feed and two blanks more than for the one before
  const after = depth * (depth + 1) // a line feed, two blanks fewer, ']'
  return replaceHalves(JSON.stringify(nested, null, 2).slice(before, -after))
}
