/** A table's feed: what its readers get, each at its own pace, and what is kept for those that come back. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { FeedChange, FeedEvent } from "../../FeedEvent.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { AnyTable, TableFailure } from "../../LiveTable.ts"
import type { TableChange } from "../../TableChange.ts"
import type { TableFeed, TableFeedOptions } from "../../TableFeed.ts"
import type { TableSnapshot } from "../../TableSnapshot.ts"
import { begun, type End, Run, streamOf } from "../effect/v4/pushed.ts"
import { type FeedSettings, readFeedOptions } from "../options/feed.ts"
import type { ChangeLog } from "../table/content/changeLog.ts"
import { PLACE, type Place, type Placed } from "../table/place.ts"
import { isPublished, listenTo, notPublished, publicationOf, untilAtRest } from "../table/publication/attaching.ts"
import { Conflating } from "../table/publication/conflating.ts"
import type { Listener } from "../table/publication/subscriptions.ts"
import { topicsOf } from "../table/publication/view.ts"
import { runAtOnce } from "../yield.ts"
import { History, type Keys } from "./history.ts"
import { parseToken, printToken, type Token } from "./token.ts"

/** A name that no other feed has, in any process. */
const newName = (): string =>
  [...globalThis.crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

class Feed<K, V> implements Listener<TableChange<K, V>, TableFailure> {
  readonly name = newName()
  readonly readers = new Set<Reader<K, V>>()
  ended: End<TableFailure> | undefined
  /** The place of the table at its last version, as far as that is certain and asked for. */
  private place: Place | undefined
  /** It is there from `begin` on. */
  private history!: History<K>
  private readonly read: () => TableSnapshot<K, V>

  constructor(
    private readonly table: AnyTable<K, V>,
    private readonly settings: FeedSettings
  ) {
    this.read = table.unsafeSnapshot
  }

  get snapshot(): TableSnapshot<K, V> {
    return this.read()
  }

  /** Begins, while the content is at rest. */
  begin(): void {
    this.place = this.placeNow()
    this.history = new History({
      capacity: this.settings.history,
      place: this.place,
      version: this.snapshot.version
    })
  }

  private placeNow(): Place | undefined {
    return this.settings.acrossProcesses ? (this.table as Partial<Placed>)[PLACE]?.() : undefined
  }

  /** Takes a publication in. This is a part of the table's own step, so it is short. */
  push(log: ChangeLog<TableChange<K, V>>): void {
    this.place = this.placeNow()
    this.history.push(log, this.snapshot.version, this.place)
    for (const reader of this.readers) reader.push(log)
  }

  get isFull(): boolean {
    for (const reader of this.readers) if (reader.isFull) return true
    return false
  }

  *fold(): Generator<void, void> {
    for (const reader of [...this.readers]) if (reader.isFull) yield* reader.fold()
  }

  end(how: End<TableFailure>): void {
    this.ended ??= how
    for (const reader of this.readers) reader.wake()
    this.readers.clear()
  }

  /** The token of the version that the table shows. */
  get token(): string {
    return printToken({ feed: this.name, version: this.snapshot.version, place: this.place })
  }

  /** Which keys to tell a reader that has such a token; `undefined` if it has to be told all. */
  private since(token: Token | undefined): Keys<K> | undefined {
    if (token === undefined) return undefined
    if (token.feed === this.name) {
      return token.version <= this.snapshot.version ? this.history.after(token.version) : undefined
    }
    return token.place === undefined ? undefined : this.history.from(token.place, this.placeNow())
  }

  stream(from: string | undefined): Stream.Stream<FeedEvent<K, V>, TableFailure> {
    const token = from === undefined ? undefined : parseToken(from)
    // Where a table is can be told while its content is at rest.
    const isOfAnother = token?.place !== undefined && token.feed !== this.name
    return streamOf(
      begun(
        () => {
          const reader = new Reader(this, this.settings.chunkSize, this.since(token))
          if (this.ended === undefined) this.readers.add(reader)
          return reader.pushed(Effect.sync(() => this.readers.delete(reader)))
        },
        () => (isOfAnother ? untilAtRest(this.table) : undefined)
      )
    )
  }
}

const changeOf = <K, V>(change: TableChange<K, V>): FeedChange<K, V> =>
  change._tag === "Upsert"
    ? { _tag: "Upsert", key: change.key, value: change.value }
    : { _tag: "Delete", key: change.key }

/** One run of a feed's stream. The steps of `events` are what the reader has not taken yet of what it is being told. */
class Reader<K, V> extends Run<FeedEvent<K, V>, TableFailure> {
  /** The last change of each key since what is being told. */
  private readonly pending = new Conflating<TableChange<K, V>>((_, last) => last)
  private events: Iterator<FeedEvent<K, V>, void> | undefined

  constructor(
    private readonly feed: Feed<K, V>,
    private readonly chunkSize: number,
    keys: Keys<K> | undefined
  ) {
    super()
    const { snapshot, token } = feed
    this.events = keys === undefined ? this.all(snapshot, token) : this.missed(snapshot, keys, token)
  }

  push(log: ChangeLog<TableChange<K, V>>): void {
    this.pending.push(log)
    this.wake()
  }

  get isFull(): boolean {
    return this.pending.isLate
  }

  /** Takes in what is late, in steps. */
  *fold(): Generator<void, void> {
    yield* this.pending.fold()
    this.wake()
  }

  /**
   * Whether there are changes to be told. They are told of one version, so none of them may be late, unless the feed has ended
   * and nobody folds them any more.
   */
  private get hasChanges(): boolean {
    return !this.pending.isEmpty && (!this.pending.isLate || this.end !== undefined)
  }

  get hasNews(): boolean {
    return this.events !== undefined || this.hasChanges
  }

  get end(): End<TableFailure> | undefined {
    return this.feed.ended
  }

  take(): ReadonlyArray<FeedEvent<K, V>> {
    if (this.events === undefined && this.hasChanges) {
      runAtOnce(this.pending.fold())
      // The changes, the version and the token are those of one moment.
      const { snapshot, token } = this.feed
      this.events = this.told(this.pending.takeAll(), changeOf, snapshot.version, token)
    }
    const next = this.events?.next()
    if (next === undefined || next.done === true) {
      this.events = undefined
      return this.hasChanges ? this.take() : []
    }
    return [next.value]
  }

  private *all(snapshot: TableSnapshot<K, V>, token: string): Generator<FeedEvent<K, V>, void> {
    yield { _tag: "Reset", size: snapshot.size }
    for (const entries of inChunks(snapshot, this.chunkSize, ([key, value]) => ({ key, value }))) {
      yield { _tag: "Entries", entries }
    }
    yield { _tag: "Live", version: snapshot.version, token }
  }

  private *missed(snapshot: TableSnapshot<K, V>, keys: Keys<K>, token: string): Generator<FeedEvent<K, V>, void> {
    yield { _tag: "Resumed" }
    const now = (key: K): FeedChange<K, V> =>
      Option.match(snapshot.get(key), {
        onNone: () => ({ _tag: "Delete", key }),
        onSome: (value) => ({ _tag: "Upsert", key, value })
      })
    yield* this.told(keys.values(), now, snapshot.version, token)
  }

  private *told<A>(
    all: Iterable<A>,
    changeOf: (one: A) => FeedChange<K, V>,
    version: number,
    token: string
  ): Generator<FeedEvent<K, V>, void> {
    for (const changes of inChunks(all, this.chunkSize, changeOf)) yield { _tag: "Changes", changes }
    yield { _tag: "Live", version, token }
  }
}

function* inChunks<A, B>(all: Iterable<A>, size: number, f: (one: A) => B): Generator<ReadonlyArray<B>, void> {
  let chunk: Array<B> = []
  for (const one of all) {
    if (chunk.push(f(one)) < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

export const makeFeed = <K, V>(
  table: AnyTable<K, V>,
  options: TableFeedOptions
): Effect.Effect<TableFeed<K, V>, InvalidOptionsError, Scope.Scope> =>
  Effect.gen(function* () {
    if (!isPublished(table)) return yield* Effect.fail(notPublished("TableFeed"))
    const settings = yield* readFeedOptions(topicsOf(publicationOf(table)), options)
    const feed = new Feed(table, settings)
    // Readers end with the feed.
    yield* Effect.addFinalizer(() => Effect.sync(() => feed.end(Exit.void)))
    yield* listenTo<TableSnapshot<K, V>, TableChange<K, V>>(table, feed, () => feed.begin())
    return { stream: (options) => feed.stream(options?.after) }
  })
