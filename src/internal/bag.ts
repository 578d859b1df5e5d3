/** Something that can be in a bag. */
export interface Item {
  /** Where it is in its bag, which writes this. */
  at: number
}

/**
 * Items that come and go with each call, in no order, in something that lives long. A `Set` or a `Map` would not do: it
 * leaves a chain of its former tables, as V8's `OrderedHashTable` links each to the next for iterators, and a minor
 * garbage collection takes the whole chain for alive once the first of them is old, with all that was in them.
 */
export class Bag<A extends Item> {
  private readonly items: Array<A> = []

  add(item: A): void {
    item.at = this.items.push(item) - 1
  }

  /** Takes an item out, if it is still there. */
  remove(item: A): void {
    const { items } = this
    if (items[item.at] !== item) return
    const last = items.pop()!
    if (last === item) return
    items[item.at] = last
    last.at = item.at
  }

  find(is: (item: A) => boolean): A | undefined {
    return this.items.find(is)
  }

  /** Calls `use` for each item that there is now, whatever `use` adds and removes. */
  forEach(use: (item: A) => void): void {
    if (this.items.length === 0) return
    for (const item of this.items.slice()) use(item)
  }
}
