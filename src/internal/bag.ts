/** Where an item is in its bag; for the bag to write. */
export interface Item {
  at: number
}

/**
 * Items that come and go with each call, in no order, in something that lives long. Not a `Set`, nor a `Map`: such a one leaves
 * a chain of its former tables (V8's `OrderedHashTable` links each to the next, for iterators), which a minor garbage
 * collection takes for alive once the first of them is old, with all that was in them.
 */
export class Bag<A extends Item> {
  private readonly items: Array<A> = []

  add(item: A): void {
    item.at = this.items.push(item) - 1
  }

  /** Nothing, if it is not there any more. */
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

  /** For each that there is now, whatever `use` adds and removes. */
  forEach(use: (item: A) => void): void {
    if (this.items.length === 0) return
    for (const item of this.items.slice()) use(item)
  }
}
