import { bytes, type Codec } from '../../core/codec.ts'
import { type KeyedChange, keyed, keyedForm } from '../../core/keyed.ts'
import type { Dice } from './dice.ts'

const LARGE_BYTES = 9_000 // more than travels in the head
const MEMBERS = 12
const MEMBER_BYTES = [540, 860] as const // together: large enough for changes to be stored as such; and more than travels in the head

/** What a revision of a simulated document says. */
export interface Content {
  /** One more than before, when the change saw what was before. */
  readonly counter: number
  /** Of the change that made it. */
  readonly mark: string
  /** All of it, as it is stored when it is stored whole. */
  readonly text: string
}

/** A change of a keyed document. */
export type Edit = KeyedChange<string | number> & {
  readonly put: Readonly<Record<string, string | number>>
  readonly delete: readonly string[]
}

/** What a change makes: a whole, or what it does to whatever it lands on. */
export type Made = Content | Edit

/** What a schedule's document holds, and how its next content is made. */
export interface Matter {
  readonly codec: Codec<Content, Edit>
  /** @param before What it is made from; `undefined`: nothing is there. @param seen False: whatever is there is replaced unseen. */
  next(dice: Dice, large: number, mark: string, before: Content | undefined, seen: boolean): Made
}

/** One JSON value, always committed whole. */
export const JSON_MATTER: Matter = {
  codec: { type: 'json', encode: ({ text }) => Buffer.from(text), decode: contentOf },
  next(dice, large, mark, before) {
    const counter = (before?.counter ?? 0) + 1
    const pad = 'x'.repeat(dice.chance(large) ? LARGE_BYTES : 20 + dice.between([0, 100]))
    return { counter, mark, text: JSON.stringify({ counter, mark, pad }) }
  },
}

const KEYED = keyed<string | number>()

/** A map from keys to values, changed by keys, and stored as changes. */
export const KEYED_MATTER: Matter = {
  codec: {
    type: KEYED.type,
    encode: ({ text }) => Buffer.from(text),
    decode: contentOf,
    changes: {
      ...KEYED.changes!,
      is: (value) => !('text' in (value as Made)),
      open: (parts) => contentOf(keyedForm.join(parts)),
    },
  },
  next(dice, large, mark, before, seen) {
    const member = () => `k${dice.between([0, MEMBERS - 1])}`
    const bytes = MEMBER_BYTES[dice.chance(large) ? 1 : 0]
    const put: Record<string, string | number> = { counter: (before?.counter ?? 0) + 1, mark }
    const whole = before === undefined && (seen || dice.chance(0.3))
    const keys = whole
      ? Array.from({ length: MEMBERS }, (_, n) => `k${n}`)
      : Array.from({ length: dice.between([1, 3]) }, member)
    for (const key of keys) put[key] = 'y'.repeat(bytes - dice.between([0, 100]))
    return { put, delete: dice.chance(0.2) ? [member()] : [] }
  },
}

/** Bodies that another program wrote, of the same type. */
export const FOREIGN_BODIES: Codec<Uint8Array> = bytes(KEYED.type)

/** What an edit makes of a content: keys are deleted first. */
export function edited(text: string | undefined, { put, delete: gone }: Edit): Content {
  const members: Record<string, string | number> = text === undefined ? {} : JSON.parse(text)
  for (const key of gone) delete members[key]
  Object.assign(members, put)
  const spelt = Object.keys(members)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${JSON.stringify(members[key])}`)
  return contentOf(Buffer.from(`{${spelt.join(',')}}`))
}

export function contentOf(body: Uint8Array): Content {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()
  const { counter = 0, mark = '' } = JSON.parse(text) as Partial<Content>
  return { counter, mark, text }
}
