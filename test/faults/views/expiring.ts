/** A table whose rows expire: each is there until its time, and not longer, whatever happens in between. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ReadRecord } from "../../kafka/records.ts"
import type { Read } from "../history.ts"
import { differences, lastWriteWins, placeOf, wrongIn, type Findings } from "../oracle.ts"
import { contentOf, readOf, type Table } from "../Witness.ts"

/** How long a row lives, by its record's timestamp. */
export const LIFE_MILLIS = 2_000

const READ_MILLIS = 100
const MAX_READS = 60

/** A table at some moment of the Clock. */
export interface TimedRead extends Read {
  readonly millis: number
}

export class ExpiringWitness {
  readonly reads: Array<TimedRead> = []

  constructor(private readonly table: Table) {}

  /** Reads again and again. */
  get watch(): Effect.Effect<never> {
    const once = Effect.gen({ self: this }, function* () {
      const read = yield* readOf("expiring", this.table)
      this.reads.push({ ...read, millis: yield* Clock.currentTimeMillis })
      yield* this.reads.length < MAX_READS ? Effect.sleep(READ_MILLIS) : Effect.never
    })
    return Effect.forever(once)
  }

  /** Where it differs now from the rows whose time is still to come. */
  differences(log: ReadonlyArray<ReadRecord>): Effect.Effect<ReadonlyArray<string>> {
    return Effect.map(Clock.currentTimeMillis, (millis) => {
      const living = Array.from(lastWriteWins(log)).filter(([, { timestamp }]) => timestamp + LIFE_MILLIS > millis)
      return differences(contentOf(this.table), new Map(living))
    })
  }
}

/** Judges reads. Of rows that are due, the content may have some: nobody promises to be so quick. */
export const judgeExpiring = (
  reads: ReadonlyArray<TimedRead>,
  log: ReadonlyArray<ReadRecord>,
  everything: ReadonlyArray<ReadRecord>,
  findings: Findings
): void => {
  for (const read of reads) {
    const held = new Set(read.content.map(placeOf))
    const isLiving = (record: ReadRecord) => record.timestamp + LIFE_MILLIS > read.millis || held.has(placeOf(record))
    const living = (rows: ReadonlyMap<string, ReadRecord>) =>
      new Map(Array.from(rows).filter(([, record]) => isLiving(record)))
    for (const what of wrongIn(read, log, everything, living)) findings.add(16, what)
  }
}
