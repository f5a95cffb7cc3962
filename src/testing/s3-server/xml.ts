/** A child of an element: name and text, or an element that was made before. `undefined` text leaves it out. */
export type XmlChild = readonly [name: string, text: string | number | boolean | undefined] | XmlElement

export interface XmlElement {
  readonly name: string
  readonly children: readonly XmlNode[]
}

type XmlNode = XmlElement | string

export function element(name: string, children: readonly XmlChild[]): XmlElement {
  const nodes: XmlNode[] = []
  for (const child of children) {
    if ('children' in child) nodes.push(child)
    else if (child[1] !== undefined) nodes.push({ name: child[0], children: [String(child[1])] })
  }
  return { name, children: nodes }
}

export function xmlDocument(root: XmlElement, namespace?: string): Uint8Array {
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${render(root, namespace)}`)
}

function render(node: XmlNode, namespace?: string): string {
  if (typeof node === 'string') return escapeText(node)
  const attributes = namespace === undefined ? '' : ` xmlns="${namespace}"`
  return `<${node.name}${attributes}>${node.children.map((child) => render(child)).join('')}</${node.name}>`
}

function escapeText(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: S3 writes them as character references
    /[&<>"\r\u0000-\u0008\u000b\u000c\u000e-\u001f]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? `&#x${c.charCodeAt(0).toString(16)};`,
  )
}

/** Parses the small documents that requests carry; `undefined` when it is not well-formed. Attributes and namespaces are ignored. */
export function parseXml(bytes: Uint8Array): XmlElement | undefined {
  const text = Buffer.from(bytes).toString('utf8').trim()
  const root: XmlElement & { children: XmlNode[] } = { name: '', children: [] }
  const open = [root]
  const tag = /<(\?[^>]*\?|\/?)([A-Za-z][\w.:-]*)?([^<>]*?)(\/?)>/y
  let at = 0
  while (at < text.length) {
    const parent = open[open.length - 1]!
    const next = text.indexOf('<', at)
    if (next < 0) return undefined
    if (next > at && parent !== root) parent.children.push(unescapeText(text.slice(at, next)))
    tag.lastIndex = next
    const match = tag.exec(text)
    if (match === null) return undefined
    at = tag.lastIndex
    const [, mark = '', name = '', , selfClosing = ''] = match
    if (mark.startsWith('?')) continue
    if (name === '') return undefined
    if (mark === '/') {
      if (open.length < 2 || open.pop()!.name !== name) return undefined
      continue
    }
    const child: XmlElement & { children: XmlNode[] } = { name, children: [] }
    parent.children.push(child)
    if (selfClosing === '') open.push(child)
  }
  const [only, ...others] = root.children
  return open.length === 1 && others.length === 0 && typeof only === 'object' ? only : undefined
}

function unescapeText(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex: string, decimal: string, name: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    return named[name] ?? whole
  })
}

export function childElements(parent: XmlElement, name: string): XmlElement[] {
  return parent.children.filter((child): child is XmlElement => typeof child === 'object' && child.name === name)
}

/** The text of the child of that name. */
export function childText(parent: XmlElement, name: string): string | undefined {
  const [child] = childElements(parent, name)
  return child?.children.filter((node) => typeof node === 'string').join('')
}
