/** The expressions that members of a group are subscribed to, and which topics they stand for. */

/** What RE2 does not have, and JavaScript has. */
const FOREIGN = /\(\?<?[=!]|\\[1-9]|\\k</

/** An expression that a whole name has to match; `undefined` if it is none. */
export const compiled = (regex: string): RegExp | undefined => {
  if (FOREIGN.test(regex)) return undefined
  try {
    return new RegExp(`^(?:${regex})$`)
  } catch {
    return undefined
  }
}

/** So long after topics were looked through they are not looked through again, in milliseconds. */
const SHORTEST_INTERVAL = 10_000

/** So long after topics were looked through they are looked through once more. */
const LONGEST_INTERVAL = 600_000

export class Regexes {
  private readonly topics = new Map<string, ReadonlySet<string>>()
  private lookedAt = Number.NEGATIVE_INFINITY
  /** What the cluster's number of changes was then. */
  private version = 0
  /** What is to be looked up before the next request: a broker does it in another thread. */
  private pending: ReadonlySet<string> | undefined

  /** Whether topics are to be looked through. */
  get isPending(): boolean {
    return this.pending !== undefined
  }

  /** The topics that an expression stands for; `undefined` if that is not known yet. */
  of(regex: string): ReadonlySet<string> | undefined {
    return this.topics.get(regex)
  }

  forget(regex: string): void {
    this.topics.delete(regex)
    if (this.topics.size === 0) this.lookedAt = Number.NEGATIVE_INFINITY
  }

  /** Sees to it that topics are looked through where that is due. `isNew`: there is an expression that nobody had before. */
  request(
    wanted: ReadonlySet<string>,
    { isNew, lastCreation, now }: { readonly isNew: boolean; readonly lastCreation: number; readonly now: number }
  ): void {
    if (wanted.size === 0 || this.pending !== undefined || now <= this.lookedAt + SHORTEST_INTERVAL) return
    const isDue =
      isNew || wanted.size !== this.topics.size || this.version < lastCreation || now > this.lookedAt + LONGEST_INTERVAL
    if (isDue) this.pending = wanted
  }

  /** Looks the cluster's topics through. Whether any expression stands for other topics now. */
  resolve(names: Iterable<string>, isWanted: (regex: string) => boolean, version: number, now: number): boolean {
    const all = [...names]
    let isChanged = false
    for (const regex of this.pending ?? []) {
      if (!isWanted(regex)) continue
      const expression = compiled(regex)
      const found = new Set(all.filter((name) => expression?.test(name) === true))
      const known = this.topics.get(regex)
      isChanged ||= found.size !== (known?.size ?? 0) || [...found].some((name) => known?.has(name) !== true)
      this.topics.set(regex, found)
    }
    this.pending = undefined
    this.lookedAt = now
    this.version = version
    return isChanged
  }
}
