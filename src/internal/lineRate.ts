/** One line of each kind is let through at once, and the next one no sooner than after this many milliseconds. */
export const LINE_RATE_MILLIS = 10_000

/** This many kinds are told apart; all others count as one, as what strangers write may make any number of them. */
const MAX_KINDS = 64

const OTHERS = Symbol("other kinds")

interface Kind {
  /** When a line was last due, in milliseconds of the Clock. */
  toldAt: number
  /** How many things of this kind have happened since then. */
  untold: number
}

/** Bounds how often lines are logged that others may cause as often as they like, and counts what is not told. */
export class LineRate {
  private readonly kinds = new Map<string | symbol, Kind>()

  /**
   * Notes that `count` more things of a kind have happened, at the time `now` of the Clock. If a line is due, returns
   * how many it has to tell of: these, and those that were not told since the last line. Otherwise returns `undefined`.
   */
  take(kind: string, count: number, now: number): number | undefined {
    const found = this.kindOf(kind)
    found.untold += count
    // A time that is still to come was noted before the clock was set back.
    if (found.toldAt <= now && now - found.toldAt < LINE_RATE_MILLIS) return undefined
    const told = found.untold
    found.toldAt = now
    found.untold = 0
    return told
  }

  private kindOf(kind: string): Kind {
    const id = this.kinds.has(kind) || this.kinds.size < MAX_KINDS ? kind : OTHERS
    let found = this.kinds.get(id)
    if (found === undefined) {
      found = { toldAt: Number.NEGATIVE_INFINITY, untold: 0 }
      this.kinds.set(id, found)
    }
    return found
  }
}

/** The end of a line that is told at a rate: `told` is how many there were since the last one, this one among them. */
export const moreOf = (told: number): string => (told === 1 ? "" : ` (and ${told - 1} times more since that was told)`)
