/** What was asked of writers and what came of it; what readers saw. The oracle judges it by the log. */
import type { ReadRecord } from "../kafka/records.ts"

export type Outcome =
  | { readonly _tag: "Acknowledged"; readonly partition: number; readonly offset: number }
  /** Certainly not in the log, says the writer. */
  | { readonly _tag: "Failed"; readonly reason: string }
  /** In the log or not, says the writer. */
  | { readonly _tag: "Unknown" }

/** One write. */
export interface Operation {
  /** No other operation has it; the record carries it in a header, or a value begins with it. */
  readonly id: string
  readonly writer: string
  readonly key: string
  /** `null`: a tombstone. */
  readonly value: string | null
  /** By `performance.now()`, as `endedAt`. */
  readonly calledAt: number
  endedAt: number
  /** `undefined`: it never ended. */
  outcome: Outcome | undefined
}

/** A change that a table told a subscriber of. */
export interface Sighting {
  readonly key: string
  /** `null`: the key is gone. */
  readonly value: string | null
  readonly partition: number
  readonly offset: number
}

/** Something that a table holds. */
export interface Held {
  readonly key: string
  readonly value: string
  readonly partition: number
  readonly offset: number
}

/** A table at some moment. */
export interface Read {
  readonly table: string
  readonly positions: ReadonlyMap<number, number>
  readonly content: ReadonlyArray<Held>
}

/** At the moment when it called itself caught up. */
export interface Start extends Read {
  /** Where the partitions ended before the table was asked for. */
  readonly targets: ReadonlyMap<number, number>
}

/** A barrier that succeeded. */
export interface Barrier {
  readonly table: string
  /** Behind what had been acknowledged when it was called. */
  readonly targets: ReadonlyMap<number, number>
  /** When it had succeeded. */
  readonly positions: ReadonlyMap<number, number>
}

export const ID_HEADER = "op"

/** The operation that a record comes from. */
export const idOf = (record: ReadRecord): string | undefined => {
  const header = record.headers.find(({ key }) => key === ID_HEADER)?.value ?? record.value
  return header?.toString("utf8").split(" ", 1)[0]
}
