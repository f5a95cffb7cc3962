/** All keys with one hash; rarely more than one. */
interface Leaf<V> {
  readonly hash: number
  readonly key: string
  readonly value: V
  readonly next: Leaf<V> | undefined
}

/** A place for each of 32 next bits of the hash; only those that are taken. */
interface Branch<V> {
  readonly taken: number
  readonly children: readonly (Leaf<V> | Branch<V>)[]
}

const BITS = 5 // 32 ways: four steps to one of a million

/**
 * A map that is never changed: `with` makes another, which shares all but a few nodes with this one. A hash array mapped trie
 * (Bagwell, "Ideal Hash Trees", 2001).
 */
export class Trie<V> {
  readonly #root: Leaf<V> | Branch<V> | undefined

  constructor(root?: Leaf<V> | Branch<V>) {
    this.#root = root
  }

  get(key: string): V | undefined {
    const hash = hashOf(key)
    let node = this.#root
    for (let shift = 0; node !== undefined && 'taken' in node; shift += BITS) {
      const bit = bitOf(hash, shift)
      node = (node.taken & bit) === 0 ? undefined : node.children[placeOf(node.taken, bit)]
    }
    for (let leaf = node; leaf !== undefined; leaf = leaf.next) if (leaf.key === key) return leaf.value
    return undefined
  }

  with(key: string, value: V): Trie<V> {
    return new Trie(inserted(this.#root, { hash: hashOf(key), key, value, next: undefined }, 0))
  }
}

function inserted<V>(node: Leaf<V> | Branch<V> | undefined, leaf: Leaf<V>, shift: number): Leaf<V> | Branch<V> {
  if (node === undefined) return leaf
  if (!('taken' in node)) {
    if (node.hash === leaf.hash) return { ...leaf, next: without(node, leaf.key) }
    const branch: Branch<V> = { taken: bitOf(node.hash, shift), children: [node] }
    return inserted(branch, leaf, shift)
  }
  const bit = bitOf(leaf.hash, shift)
  const place = placeOf(node.taken, bit)
  const children = node.children.slice()
  if ((node.taken & bit) === 0) children.splice(place, 0, leaf)
  else children[place] = inserted(children[place], leaf, shift + BITS)
  return { taken: node.taken | bit, children }
}

function without<V>(leaf: Leaf<V> | undefined, key: string): Leaf<V> | undefined {
  if (leaf === undefined) return undefined
  return leaf.key === key ? leaf.next : { ...leaf, next: without(leaf.next, key) }
}

function bitOf(hash: number, shift: number): number {
  return 1 << ((hash >>> shift) & 31)
}

/** How many taken places lie below this one. */
function placeOf(taken: number, bit: number): number {
  let below = taken & (bit - 1)
  below -= (below >>> 1) & 0x55555555
  below = (below & 0x33333333) + ((below >>> 2) & 0x33333333)
  return Math.imul((below + (below >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** FNV-1a over UTF-16 code units. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
