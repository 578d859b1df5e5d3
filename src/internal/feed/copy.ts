/** A copy of a table's content, made of a feed's events. It runs in browsers, too. */
import type { Copy, FeedEvent } from "../../FeedEvent.ts"

const identityOf = (key: unknown): unknown => (typeof key === "object" && key !== null ? JSON.stringify(key) : key)

class CopyImpl<K, V> implements Copy<K, V> {
  token: string | undefined
  version: number | undefined
  private content = new Map<unknown, readonly [K, V]>()
  /** What takes the place of the content at the next `Live`; `undefined` if that is the content with changes. */
  private next: Map<unknown, readonly [K, V]> | undefined
  /** Whether there is something that changes are of: a copy that was told no whole version yet needs one first. */
  private hasBase = false
  /** Changes of the content that wait for the next `Live`: the entry, or `undefined` for a key that is gone. */
  private changes = new Map<unknown, readonly [K, V] | undefined>()

  constructor(private readonly identity: (key: K) => unknown) {}

  apply(event: FeedEvent<K, V>): boolean {
    switch (event._tag) {
      // Both begin a run: what an earlier run left unfinished counts for nothing.
      case "Reset":
      case "Resumed":
        this.changes = new Map()
        this.next = event._tag === "Reset" ? new Map() : undefined
        this.hasBase = this.next !== undefined || this.version !== undefined
        return false
      case "Entries":
        for (const { key, value } of event.entries) this.next?.set(this.identity(key), [key, value])
        return false
      case "Changes":
        for (const change of event.changes) {
          this.changes.set(this.identity(change.key), change._tag === "Upsert" ? [change.key, change.value] : undefined)
        }
        return false
      case "Live": {
        if (!this.hasBase) return false
        const content = this.next ?? this.content
        for (const [id, entry] of this.changes) {
          if (entry === undefined) content.delete(id)
          else content.set(id, entry)
        }
        this.content = content
        this.next = undefined
        this.changes = new Map()
        this.token = event.token
        this.version = event.version
        return true
      }
    }
  }

  get size(): number {
    return this.content.size
  }

  get(key: K): V | undefined {
    return this.content.get(this.identity(key))?.[1]
  }

  has(key: K): boolean {
    return this.content.has(this.identity(key))
  }

  [Symbol.iterator](): IterableIterator<readonly [K, V]> {
    return this.content.values()
  }

  toMap(): Map<K, V> {
    return new Map(this.content.values())
  }
}

export const makeCopy = <K, V>(options?: { readonly identity?: (key: K) => unknown }): Copy<K, V> =>
  new CopyImpl(options?.identity ?? identityOf)
