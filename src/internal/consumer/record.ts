/** The records that users get. */
import * as Effect from "effect/Effect"
import type { Committable } from "../../KafkaConsumer.ts"
import type { CommitError } from "../../KafkaError.ts"
import type { Header } from "../../TableChange.ts"
import { decodeHeaders } from "../recordBatch/recordRanges.ts"
import type { DonePrefix } from "./donePrefix.ts"
import type { OwnedPartition } from "./ownedPartition.ts"

const NO_HEADERS: ReadonlyArray<Header> = []

/** What a record does when it is done. */
export interface Settling {
  /** Marks it, if what was handed out with it still counts. */
  readonly done: (partition: OwnedPartition, prefix: DonePrefix, number: number) => void
  /** Notes that it is not going to be worked on. */
  readonly givenBack: (partition: OwnedPartition, prefix: DonePrefix, number: number) => void
  /** Ends when a commit that covers this offset is acknowledged. */
  readonly committed: (
    partition: OwnedPartition,
    prefix: DonePrefix,
    offset: number
  ) => Effect.Effect<void, CommitError>
}

/** Where a record's headers lie; they are made into objects when they are asked for. */
export interface HeaderRange {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly count: number
}

export class ConsumedRecord<K, V> implements Committable<K, V> {
  readonly topic: string
  readonly partition: number
  readonly #headers: HeaderRange | undefined
  readonly #settling: Settling
  readonly #owned: OwnedPartition
  #prefix: DonePrefix | undefined
  #number = -1

  constructor(
    settling: Settling,
    owned: OwnedPartition,
    readonly offset: number,
    readonly timestamp: number,
    readonly key: K | null,
    readonly value: V,
    headers: HeaderRange | undefined
  ) {
    this.#settling = settling
    this.#owned = owned
    this.topic = owned.topic
    this.partition = owned.partition
    this.#headers = headers
  }

  /** Hands it out: it is waited for from now on. */
  handOut(prefix: DonePrefix): number {
    this.#prefix = prefix
    this.#number = prefix.handOut(this.offset)
    return this.#number
  }

  get headers(): ReadonlyArray<Header> {
    const range = this.#headers
    return range === undefined ? NO_HEADERS : decodeHeaders(range.bytes, range.start, range.end, range.count)
  }

  /** Notes that it is not going to be worked on. */
  giveBack(): void {
    this.#settling.givenBack(this.#owned, this.#prefix!, this.#number)
  }

  /** Notes that the work on it begins. */
  begin(): void {
    this.#prefix!.begin(this.#number)
  }

  /** Whether it counts still: its partition was not gone on with elsewhere since it was handed out. */
  get counts(): boolean {
    return this.#owned.prefix === this.#prefix
  }

  /** Whether it lies before one whose work has begun. */
  get isBeforeBegun(): boolean {
    return this.#prefix!.isBeforeBegun(this.#number)
  }

  /** The partition that it was handed out of. */
  get owned(): OwnedPartition {
    return this.#owned
  }

  /** As `done`, without making a function of it. */
  markDone(): void {
    this.#settling.done(this.#owned, this.#prefix!, this.#number)
  }

  get done(): () => void {
    return () => this.markDone()
  }

  get commit(): Effect.Effect<void, CommitError> {
    return Effect.suspend(() => {
      this.markDone()
      return this.#settling.committed(this.#owned, this.#prefix!, this.offset)
    })
  }
}
