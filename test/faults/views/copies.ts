/** A copy that follows a table by the feeds of two processes, and is cut off again and again. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { FeedEvent, TableFeed, type LiveTable } from "../../../src/index.ts"
import { heldWithin } from "../../support/ownTime.ts"
import type { Findings } from "../oracle.ts"
import type { Table } from "../Witness.ts"

export type Feed = TableFeed.TableFeed<string, string>

/** One of the processes that have the table, with a history of it. */
export interface Replica {
  readonly name: string
  readonly table: Table
  readonly feed: Feed
}

/** Few enough changes are remembered for some to be forgotten, and events are small enough to be cut off between two. */
const feedOptions: TableFeed.TableFeedOptions = { history: 300, chunkSize: 60, acrossProcesses: true }

/** `change` is of the feed. */
export const replica = (name: string, table: Table, change: (feed: Feed) => Feed) =>
  Effect.map(Effect.orDie(TableFeed.make(table, feedOptions)), (feed): Replica => ({ name, table, feed: change(feed) }))

/** A run gets so many events at most, and has so long for them. All of a table are half as many. */
const MOST_EVENTS = 24
const MOST_MILLIS = 250
/** From one run to the next. */
const PAUSE_MILLIS = 25

export class CopyWitness {
  /** How often the copy was compared with the version that it names. */
  compared = 0
  /** How many runs went on where the copy was, and how many of these with the other process. */
  resumed = 0
  elsewhere = 0
  readonly copy = FeedEvent.makeCopy<string, string>()
  private last: Replica | undefined

  constructor(
    private readonly replicas: ReadonlyArray<Replica>,
    private readonly findings: Findings,
    private readonly random: () => number
  ) {}

  /** Cuts off and comes back again and again. Fails with the table. */
  get watch(): Effect.Effect<never, LiveTable.TableFailure> {
    return Effect.forever(
      Effect.suspend(() => {
        const replica = this.replicas[Math.floor(this.random() * this.replicas.length)]
        const run = this.run(replica, 1 + Math.floor(this.random() * MOST_EVENTS))
        return Effect.andThen(
          Effect.timeoutOption(run, this.random() * MOST_MILLIS),
          Effect.sleep(this.random() * PAUSE_MILLIS)
        )
      })
    )
  }

  /** Takes so many events of a feed. */
  private run(replica: Replica, most: number): Effect.Effect<void, LiveTable.TableFailure> {
    const { copy } = this
    return Effect.suspend(() => {
      const events = Stream.take(replica.feed.stream({ after: copy.token }), most)
      return Stream.runForEach(events, (event) => this.take(replica, event))
    })
  }

  private take(replica: Replica, event: FeedEvent.FeedEvent<string, string>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (event._tag === "Resumed") {
        this.resumed++
        if (this.last !== replica) this.elsewhere++
      }
      this.last = event._tag === "Live" ? replica : this.last
      return this.copy.apply(event) ? this.compare(replica) : Effect.void
    })
  }

  /** Compares the copy with what the table showed at the version that it names, if that is kept still. */
  private compare({ name, table }: Replica): Effect.Effect<void> {
    const { copy, findings } = this
    const version = copy.version!
    return Effect.map(Effect.orDie(table.snapshotAt({ version })), (kept) => {
      if (Option.isNone(kept)) {
        if (version > table.unsafeSnapshot().version) findings.add(14, `version ${version} of ${name} is still to come`)
        return
      }
      this.compared++
      for (const wrong of differences(copy, kept.value)) {
        findings.add(14, `version ${version} of ${name}: ${wrong}`)
      }
    })
  }

  /** Once nothing changes any more, the copy is the table, by whichever feed, in so much time of the process. */
  settle(withinMillis: number): Effect.Effect<void, LiveTable.TableFailure> {
    return Effect.forEach(
      this.replicas,
      (replica) =>
        Effect.gen({ self: this }, function* () {
          const { copy } = this
          const isThere = Effect.sync(() => differences(copy, replica.table.unsafeSnapshot()).length === 0)
          const follow = Effect.forever(this.run(replica, Number.MAX_SAFE_INTEGER))
          yield* Effect.raceFirst(follow, heldWithin(isThere, withinMillis))
          for (const wrong of differences(copy, replica.table.unsafeSnapshot())) {
            this.findings.add(14, `in the end, by ${replica.name}: ${wrong}`)
          }
        }),
      { discard: true }
    )
  }

  /** What there is no evidence of. */
  get gaps(): ReadonlyArray<string> {
    return [...(this.compared > 0 ? [] : ["copies"]), ...(this.resumed > 0 ? [] : ["copies that go on"])]
  }
}

const differences = (
  copy: FeedEvent.Copy<string, string>,
  right: ReturnType<Table["unsafeSnapshot"]>
): ReadonlyArray<string> => {
  const keys = new Set([...copy.toMap().keys(), ...right.keys()])
  return Array.from(keys).flatMap((key) => {
    const [copied, value] = [copy.get(key), right.getOrUndefined(key)]
    const told = (one: string | undefined) => one?.split(" ", 1)[0] ?? "nothing"
    return copied === value ? [] : [`${key} is ${told(copied)} in the copy, and ${told(value)} in the table`]
  })
}
