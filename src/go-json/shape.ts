/**
 * What a JSON document of a Go program looks like, as data: the struct tags that Go's `encoding/json` reads by reflection.
 *
 * A struct is an object with one member per field. Go's zero values come back as follows: a nil slice, map, pointer or interface is an absent
 * member (`null` inside a list or map); an empty slice or map is `[]` or `{}`; the zero value of an `omitempty` scalar is an absent member too; every
 * other field is always present.
 */
export type Shape = ScalarShape | PointerShape | ListShape | MapShape | StructShape

/**
 * One value without a shape of its own.
 *
 * - `int`: a Go `int` of 64 bits; a number, or a bigint beyond 2^53
 * - `float`: a Go `float64`
 * - `time`: a Go `time.Time`; an RFC 3339 string, as it was read
 * - `bytes`: a Go `[]byte`, base64 in the document; a `Uint8Array`
 * - `any`: a Go `any`: null, boolean, number (always a double), string, array or null-prototype object
 * - `raw`: a Go `json.RawMessage`; a `Uint8Array` with the JSON text of the value as it stood in the document
 */
export interface ScalarShape {
  readonly kind: 'string' | 'int' | 'float' | 'bool' | 'time' | 'bytes' | 'any' | 'raw'
}

/** A value that may be nil. */
export interface PointerShape {
  readonly kind: 'pointer'
  readonly to: Shape
}

export interface ListShape {
  readonly kind: 'list'
  readonly of: Shape
}

/** A Go `map[string]T`: a null-prototype object, written with its keys in the order of their UTF-8 bytes. */
export interface MapShape {
  readonly kind: 'map'
  readonly of: Shape
}

export interface StructShape {
  readonly kind: 'struct'
  /** In the order in which they are written. */
  readonly fields: readonly Field[]
}

export interface Field {
  /** Name in the document. */
  readonly name: string
  /** Name in the object. */
  readonly member: string
  readonly shape: Shape
  /** Leave the field out when it holds its zero value, or an empty list or map. */
  readonly omitEmpty: boolean
}

export const string: ScalarShape = { kind: 'string' }
export const int: ScalarShape = { kind: 'int' }
export const float: ScalarShape = { kind: 'float' }
export const bool: ScalarShape = { kind: 'bool' }
export const time: ScalarShape = { kind: 'time' }
export const bytes: ScalarShape = { kind: 'bytes' }
export const any: ScalarShape = { kind: 'any' }
export const raw: ScalarShape = { kind: 'raw' }

export function pointer(to: Shape): PointerShape {
  return { kind: 'pointer', to }
}

export function list(of: Shape): ListShape {
  return { kind: 'list', of }
}

export function map(of: Shape): MapShape {
  return { kind: 'map', of }
}

/**
 * A struct from its field names and shapes; a name that ends in `?` is `omitempty`. Members are the names in lowerCamelCase (`content-revision` is
 * `contentRevision`) unless `members` names them otherwise. A name that is a number would not keep its place among the others.
 */
export function struct(fields: Record<string, Shape>, members: Record<string, string> = {}): StructShape {
  return {
    kind: 'struct',
    fields: Object.entries(fields).map(([tag, shape]) => {
      const omitEmpty = tag.endsWith('?')
      const name = omitEmpty ? tag.slice(0, -1) : tag
      return { name, member: members[name] ?? camelCase(name), shape, omitEmpty }
    }),
  }
}

function camelCase(name: string): string {
  return name.replace(/[-_]+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
