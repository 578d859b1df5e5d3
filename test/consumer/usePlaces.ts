/** Partitions as the model of a consumer's use knows them: what lies in their logs, and how far the consumer is. */

export class Life {
  /** Records that were handed out, in their order, and whether they are done. */
  readonly handed = new Map<number, boolean>()
  /** No record below this is to come any more. */
  next: number
  endedAt = Number.POSITIVE_INFINITY

  constructor(
    readonly start: number,
    /** Whether it may begin elsewhere, as the log does not hold that offset. */
    public isLoose = false
  ) {
    this.next = start
  }

  get firstUndone(): number | undefined {
    for (const [offset, isDone] of this.handed) if (!isDone) return offset
    return undefined
  }

  /** Up to where all is done. */
  get doneTo(): number {
    return this.firstUndone ?? this.next
  }
}

/** A partition's log, as far as its records are to be handed out. */
interface Log {
  visible: Array<number>
  poison: Array<number>
  start: number
}

export class Logs {
  private readonly all = new Map<string, Log>()

  of(place: string): Log {
    const known = this.all.get(place)
    if (known !== undefined) return known
    const log: Log = { visible: [], poison: [], start: 0 }
    this.all.set(place, log)
    return log
  }

  /** Records were written, or are about to be visible. */
  written(place: string, offset: number, isPoison: boolean): void {
    const of = isPoison ? this.of(place).poison : this.of(place).visible
    if (of.includes(offset)) return
    of.push(offset)
    of.sort((a, b) => a - b)
  }

  /** The next record to hand out from this offset on; `undefined` if there is none. */
  nextFrom(place: string, from: number, countsPoison: boolean): number | undefined {
    const { poison, start, visible } = this.of(place)
    const next = (all: ReadonlyArray<number>) => all.find((one) => one >= from && one >= start) ?? Infinity
    const first = Math.min(next(visible), countsPoison ? next(poison) : Infinity)
    return first === Infinity ? undefined : first
  }
}
