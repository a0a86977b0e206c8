/**
 * Finds many texts in another in one pass. Neither their number nor what they or the other text say makes it take longer
 * than the text is long: each of its characters goes one step down a tree of the texts, or back up what was gone down.
 *
 * Source: A. V. Aho, M. J. Corasick, "Efficient string matching", Communications of the ACM 18 (1975).
 */
export interface TextSearch<A> {
  /**
   * Hands out, for each position at which texts end, what belongs to the longest of them. The search goes on at the
   * position that `found` returns.
   */
  readonly each: (text: string, found: (item: A, end: number) => number) => void
}

const root = 0

export const make = <A>(texts: ReadonlyMap<string, A>): TextSearch<A> => {
  // The tree, by node: the character that leads there, its first child and its next sibling; no node is 0.
  const codes = [0]
  const firstChild = [0]
  const sibling = [0]
  /** The node of the longest end of this node's text that is in the tree as well. */
  const fallback = [root]
  /** The longest text that ends here. */
  const items: Array<A | undefined> = [undefined]
  /** The root has the most children and is asked most often. */
  const ofRoot = new Int32Array(0x80)

  const childOf = (node: number, code: number): number => {
    if (node === root && code < ofRoot.length) return ofRoot[code]!
    let child = firstChild[node]!
    while (child !== 0 && codes[child] !== code) child = sibling[child]!
    return child
  }

  const addChild = (node: number, code: number): number => {
    const child = codes.length
    codes.push(code)
    firstChild.push(0)
    sibling.push(firstChild[node]!)
    fallback.push(root)
    items.push(undefined)
    firstChild[node] = child
    if (node === root && code < ofRoot.length) ofRoot[code] = child
    return child
  }

  /** From a node by a character, falling back as far as need be. */
  const step = (from: number, code: number): number => {
    let node = from
    let next = childOf(node, code)
    while (next === 0 && node !== root) {
      node = fallback[node]!
      next = childOf(node, code)
    }
    return next
  }

  for (const [text, item] of texts) {
    let node = root
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      node = childOf(node, code) || addChild(node, code)
    }
    if (node !== root) items[node] = item
  }

  // Level by level, since a node falls back to one nearer the root.
  const waiting = [root]
  for (const node of waiting) {
    for (let child = firstChild[node]!; child !== 0; child = sibling[child]!) {
      if (node !== root) fallback[child] = step(fallback[node]!, codes[child]!)
      items[child] ??= items[fallback[child]!]
      waiting.push(child)
    }
  }

  return {
    each: (text, found) => {
      let node = root
      for (let at = 0; at < text.length; at++) {
        node = step(node, text.charCodeAt(at))
        const item = items[node]
        if (item === undefined) continue
        const next = found(item, at + 1)
        if (next === at + 1) continue
        at = next - 1
        node = root
      }
    }
  }
}
