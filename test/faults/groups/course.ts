/** What happened to a group: the records that there are, who worked on which of them, and what was committed. */

export interface Place {
  readonly topic: string
  readonly partition: number
}

export interface PlaceOffset extends Place {
  readonly offset: number
}

/** A record as an independent client wrote it. */
export interface Written extends PlaceOffset {
  /** No other record has it. */
  readonly id: string
  readonly key: string
  /** A topic that was created anew has the same offsets again: how often it was. */
  readonly life: number
}

export type Happening =
  /** A call of a member's handler has begun, and has ended: successfully, or by interruption. */
  | ({ readonly _tag: "Began"; readonly call: number; readonly id: string } & PlaceOffset)
  | { readonly _tag: "Ended"; readonly call: number; readonly isDone: boolean }
  /** What the member was told by its events. */
  | { readonly _tag: "Assigned" | "Revoked" | "Lost"; readonly partitions: ReadonlyArray<Place> }
  | {
      readonly _tag: "Told"
      readonly event: string
      readonly blockedMillis?: number | undefined
      readonly why?: string
    }
  /** A request to commit is sent, and is answered: by the offsets that were accepted. */
  | { readonly _tag: "Committing"; readonly offsets: ReadonlyArray<PlaceOffset> }
  | { readonly _tag: "Committed"; readonly offsets: ReadonlyArray<PlaceOffset> }
  | { readonly _tag: "Beat" }
  /** The member was killed, or frozen: it has lost what it had without having been told. */
  | { readonly _tag: "Gone" }
  /** The work of a member has failed. */
  | { readonly _tag: "Failed"; readonly error: string }
  /** What an independent reader found committed. */
  | { readonly _tag: "Seen"; readonly offsets: ReadonlyArray<PlaceOffset> }
  /** The log of a partition is going to begin at this offset, or later: what is below does not have to be done. */
  | ({ readonly _tag: "Shortened" } & PlaceOffset)
  /** A topic is deleted: what was in it does not have to be done. */
  | { readonly _tag: "Deleted"; readonly topic: string }

/** Something that happened, when (milliseconds since the epoch), and to which member. */
export type Entry = Happening & { readonly at: number; readonly member: string }

/** Milliseconds since the epoch, finer than the time of the day, and comparable between processes. */
export const now = (): number => performance.timeOrigin + performance.now()

/** Takes note of what happens to a member. */
export type Note = (happening: Happening) => void

export const noteFor =
  (member: string, add: (entry: Entry) => void): Note =>
  (happening) =>
    add({ ...happening, at: now(), member })

/** The whole course of a trial. */
export interface Course {
  readonly written: ReadonlyArray<Written>
  /** In the order of time. */
  readonly entries: ReadonlyArray<Entry>
  /** Of the end: what is committed, and where the logs end. */
  readonly committed: ReadonlyArray<PlaceOffset>
  readonly ends: ReadonlyArray<PlaceOffset>
  /** Whether commits before partitions were given up may have found no coordinator. */
  readonly mayMissCommits: boolean
  /** Whether work may be cut off, as it takes longer than the time that is given to it. */
  readonly mayCutOff: boolean
}

/** The entries of several journals as one, each of which is in its order. */
export const merged = (...journals: ReadonlyArray<ReadonlyArray<Entry>>): ReadonlyArray<Entry> =>
  journals.flat().sort((a, b) => a.at - b.at)

export const textOf = ({ partition, topic }: Place): string => `${topic}:${partition}`
