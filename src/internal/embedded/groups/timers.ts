/**
 * Deadlines by name, as data. Nobody waits for them: whoever looks at a group lets what is due happen first, in the order
 * of time, so that nothing is left running where nobody looks any more.
 */

interface Timer {
  readonly at: number
  readonly run: (at: number) => void
}

export class Timers {
  private readonly timers = new Map<string, Timer>()

  /** Does something at a time, in place of what was to be done under this name. */
  set(name: string, at: number, run: (at: number) => void): void {
    this.timers.set(name, { at, run })
  }

  clear(name: string): void {
    this.timers.delete(name)
  }

  clearAll(): void {
    this.timers.clear()
  }

  /** When the next one is due; infinite if there is none. */
  get next(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { at } of this.timers.values()) next = Math.min(next, at)
    return next
  }

  has(name: string): boolean {
    return this.timers.has(name)
  }

  /**
   * Does what was due before `now`, one after the other, each at its time. `inclusive`: also what is due just now. Whether
   * there was anything.
   */
  run(now: number, { inclusive }: { readonly inclusive: boolean }): boolean {
    for (let isAny = false; ; isAny = true) {
      let first: readonly [name: string, timer: Timer] | undefined
      for (const entry of this.timers) if (first === undefined || entry[1].at < first[1].at) first = entry
      if (first === undefined) return isAny
      const [name, { at, run }] = first
      if (inclusive ? at > now : at >= now) return isAny
      this.timers.delete(name)
      run(at)
    }
  }
}
