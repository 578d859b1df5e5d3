/**
 * The reader of a table: takes what the source delivers, has it applied, and publishes. Nothing else writes the
 * content.
 *
 * Each run of the reader has a source of its own. A later run, by the restart policy after a failure, fills a rebuild
 * of all partitions, and leaves the live content alone until that is complete.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { constTrue, constVoid } from "effect/Function"
import type * as Scope from "effect/Scope"
import type { TableFailure } from "../../../LiveTable.ts"
import { currentClock, millisOf } from "../../effect/v4/clock.ts"
import { annotateLogs } from "../../log.ts"
import type { Fetched, Opened, SourceEvent, Truncated } from "../../source/cursor.ts"
import type { Source } from "../../source/source.ts"
import { runInSlices, yieldToEventLoop } from "../../yield.ts"
import { AnswerApplier } from "./answerApplier.ts"
import { CatchUp, statusOfReading } from "./catchUp.ts"
import type { Expiry } from "./expiry.ts"
import { makePartitionState } from "./partition.ts"
import { setStatus, type TableParts } from "./parts.ts"
import { Rebuilds } from "./rebuilds.ts"
import { RecordReports } from "./recordReports.ts"
import { startSource } from "./tableSource.ts"
import { foundStale, type Stale } from "./tombstoneAge.ts"
import { Turns } from "./turns.ts"

/**
 * All partitions are looked at this many times at most while they are opened for the first time: see `isSettlingDue`.
 */
const LOOKS_WHILE_OPENING = 16

/** The clock is read as often as this, in milliseconds, while a row is to go later: it may have been set forward. */
const CLOCK_MILLIS = 60_000

/**
 * Runs the reader until something ends it. `isRestarted` says that there is live content, to stay until the replay is
 * complete.
 */
export const runReader = <K, V>(parts: TableParts<K, V>, isRestarted: boolean): Effect.Effect<never, TableFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const reader = new Reader(parts, yield* startSource(parts), isRestarted, yield* currentClock)
      yield* Effect.addFinalizer(() => reader.finish)
      return yield* reader.run
    })
  )

class Reader<K, V> {
  private readonly parts: TableParts<K, V>
  private readonly source: Source
  private readonly annotate: ReturnType<typeof annotateLogs>
  private readonly applier: AnswerApplier<K, V>
  private readonly catchUp: CatchUp<K, V>
  private readonly rebuilds: Rebuilds<K, V>
  private readonly reports: RecordReports<K, V>
  /** Partitions that were opened at some time. */
  private readonly opened = new Set<number>()
  /** How many openings there were since all partitions were last looked at. */
  private unsettled = 0
  private readonly clock: Clock.Clock
  /** Those who write to the content, where the source's events are not all that makes it change. */
  private readonly turns = new Turns()

  constructor(parts: TableParts<K, V>, source: Source, isRestarted: boolean, clock: Clock.Clock) {
    this.parts = parts
    this.source = source
    this.clock = clock
    this.annotate = annotateLogs("KafkaTable", { topic: parts.config.topic })
    this.catchUp = new CatchUp(parts)
    this.rebuilds = new Rebuilds(parts, source, isRestarted)
    this.reports = new RecordReports(parts)
    this.applier = new AnswerApplier(parts, source, this.reports, (hasChanged) => this.settle(hasChanged))
    parts.partitions = new Map()
    parts.source = source
    parts.waitsFor = undefined
  }

  get run(): Effect.Effect<never, TableFailure, Scope.Scope> {
    const { expiry } = this.parts
    if (expiry === undefined) {
      return this.untilBroken([repeating(Effect.flatMap(this.source.take, (event) => this.handle(event)))])
    }
    // An event is taken before it is its turn, as a take that is given up may lose one. It is dealt with in its turn only:
    // an answer that needs no wait is applied as soon as `handle` is called.
    const next = Effect.flatMap(this.source.take, (event) => this.turns.take(Effect.suspend(() => this.handle(event))))
    return this.untilBroken([repeating(next), repeating(this.expire(expiry))])
  }

  /**
   * Publishes what was applied when the run ended in the middle of that, as nobody can be told what there is before, and ends
   * what the run was to do after a publication for those who are told. A table that is closed has ended already, and shows
   * nothing more.
   */
  readonly finish: Effect.Effect<void> = Effect.suspend(() => {
    const { publication } = this.parts
    const showing = publication.isUnderWay ? this.showing(true) : undefined
    return Effect.andThen(showing ?? Effect.void, publication.fold)
  })

  /** Runs loops, each in a fiber of its own, until one of them ends, or the source is broken. */
  private untilBroken(
    loops: ReadonlyArray<Effect.Effect<never, TableFailure>>
  ): Effect.Effect<never, TableFailure, Scope.Scope> {
    return Effect.flatMap(
      Effect.forEach(loops, (loop) => Effect.forkScoped(loop)),
      (fibers) =>
        // The race is about the fibers' exits, as it would go on without a fiber that is interrupted from outside.
        Effect.flatten(
          fibers.reduce<Effect.Effect<Exit.Exit<never, TableFailure>>>(
            (first, fiber) => Effect.raceFirst(first, Fiber.await(fiber)),
            this.source.broken
          )
        )
    )
  }

  /** Waits until a row is to go, and hides what is to go then. */
  private expire(expiry: Expiry<K, V>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { version } = expiry.changed
      const wait = expiry.next - millisOf(this.clock)
      if (wait > 0) return expiry.changed.after(version, Number.isFinite(wait) ? Math.min(wait, CLOCK_MILLIS) : wait)
      // Where more are due than go at once, others have their turn in between.
      return Effect.andThen(this.turns.take(Effect.suspend(() => this.publish(false))), yieldToEventLoop)
    })
  }

  /** Deals with one event of the source. */
  private handle(event: SourceEvent): Effect.Effect<void, TableFailure> {
    const { parts } = this
    switch (event._tag) {
      case "PartitionCount":
        return this.onPartitionCount(event.count)
      case "Opened":
        return this.onOpened(event)
      case "Fetched":
        return this.onFetched(event)
      case "Truncated":
        this.forget(event)
        parts.truncations.push([event.error])
        return this.rebuilds.begin(event.partition, event.error.message)
      case "Denied":
        return parts.acquired
          ? Effect.andThen(
              setStatus(parts, { _tag: "Failed", error: event.error, healing: true }),
              Effect.logError(
                `not allowed to read, tried again every ${parts.config.deniedRetryIntervalMillis} ms: ${event.error.message}`
              ).pipe(this.annotate)
            )
          : Effect.fail(event.error)
      case "Granted":
        return Effect.andThen(
          Effect.logInfo("allowed to read again").pipe(this.annotate),
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            setStatus(parts, statusOfReading(parts, !this.rebuilds.replacesAll, now))
          )
        )
      case "Fatal":
        return Effect.fail(event.error)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // partitions
  // -------------------------------------------------------------------------------------------------------------------

  private onPartitionCount(count: number): Effect.Effect<void> {
    const { gone, partitions, state } = this.parts
    for (let partition = 0; partition < count; partition++) {
      if (partitions.has(partition)) continue
      const p = makePartitionState<K, V>(partition)
      this.rebuilds.join(p)
      partitions.set(partition, p)
      gone?.partitions.delete(partition)
    }
    if (count > 1) state.multiPartition = true
    return Effect.void
  }

  private onOpened({ end, partition, start }: Opened): Effect.Effect<void> {
    const { live, partitions, publication } = this.parts
    const p = partitions.get(partition)!
    p.corruptAt = undefined
    p.logStart = start
    this.opened.add(partition)
    this.unsettled++
    if (p.rebuild !== undefined) {
      p.rebuild.opened(p, start, end)
      return p.rebuild.isComplete || this.isSettlingDue ? this.settle(false) : Effect.void
    }
    live.add(partition)
    p.position = start
    p.start = start
    p.gate = end
    if (this.isSettlingDue) return this.settle(false)
    // An opening changes no row: nothing has to be published for this position to become visible.
    p.visible = p.position
    publication.waiters.check()
    return Effect.void
  }

  /**
   * Whether it is time to look at all partitions, which is what `settle` does. It is not done for each opening while
   * others are still to come, as a topic may have many thousands of partitions.
   */
  private get isSettlingDue(): boolean {
    const { size } = this.parts.partitions
    return this.opened.size === size || LOOKS_WHILE_OPENING * this.unsettled >= size
  }

  /**
   * Takes positions back to the end of a log that has become shorter: its next records get the same offsets once more.
   */
  private forget({ error, partition }: Truncated): void {
    const p = this.parts.partitions.get(partition)!
    if (error.reason !== "Tail" || p.position === undefined) return
    p.position = Math.min(p.position, error.to)
    p.visible = p.position
  }

  // -------------------------------------------------------------------------------------------------------------------
  // answers
  // -------------------------------------------------------------------------------------------------------------------

  /** Replays the partitions that were away for too long, and has what came of the others applied. */
  private onFetched(fetched: Fetched): Effect.Effect<void, TableFailure> {
    const { partitions, settings } = this.parts
    for (const records of fetched.partitions) {
      const { partition } = records
      const stale = foundStale(partitions.get(partition)!, records, fetched, settings)
      if (stale === undefined) continue
      const others = fetched.partitions.filter((other) => other !== records)
      return Effect.andThen(
        this.rebuilds.begin(partition, whyStale(partition, stale)),
        Effect.suspend(() => this.onFetched({ ...fetched, partitions: others }))
      )
    }
    return this.applier.apply(fetched)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // publishing
  // -------------------------------------------------------------------------------------------------------------------

  /** What is done after each answer: completes rebuilds, publishes, and wakes whoever waits. */
  private settle(hasChanged: boolean): Effect.Effect<void> {
    this.unsettled = 0
    return this.rebuilds.hasComplete
      ? Effect.flatMap(this.rebuilds.complete, () => this.publish(true))
      : this.publish(hasChanged)
  }

  private publish(hasChanged: boolean): Effect.Effect<void> {
    const showing = this.showing(hasChanged)
    return showing === undefined ? this.published() : Effect.flatMap(showing, () => this.published())
  }

  /** Makes the content visible, after what is past was hidden: at once, and returns `undefined`, if that is done in one step. */
  private showing(hasChanged: boolean): Effect.Effect<void> | undefined {
    const { expiry, latched, publication, state } = this.parts
    if (expiry === undefined) return this.prepared(hasChanged)
    // An update may be under way: then it is noted where that was.
    if (state.touched === undefined) {
      state.replayed = !latched
      state.note(publication.beginUpdate())
    }
    return Effect.flatMap(runInSlices(expiry.run(millisOf(this.clock), publication.shownVersion.slots)), () => {
      const fault = expiry.takeFault()
      const showing = Effect.suspend(() => this.prepared(hasChanged) ?? Effect.void)
      return fault === undefined ? showing : Effect.andThen(this.tellOfFault(fault), showing)
    })
  }

  private tellOfFault(fault: string): Effect.Effect<void> {
    return Effect.logWarning(
      `expireAt tells no time of some rows, which do not expire by it: ${fault}. See stats.expiryErrors`
    ).pipe(this.annotate)
  }

  /** The same after the views have taken the changes in. */
  private prepared(hasChanged: boolean): Effect.Effect<void> | undefined {
    const preparing = this.parts.publication.prepare(this.take)
    if (preparing !== undefined) return Effect.map(preparing, () => this.show(hasChanged))
    this.show(hasChanged)
    return undefined
  }

  /** Makes the content visible, in the order that `publication.ts` tells. */
  private show(hasChanged: boolean): void {
    const { history, partitions, publication, state } = this.parts
    state.note(undefined)
    const before = publication.snapshot
    publication.publish(hasChanged, this.take, this.showPositions)
    history?.published(before, publication.snapshot, partitions.values(), millisOf(this.clock))
  }

  private readonly take = () => this.parts.state.slots()

  private readonly showPositions = (): void => {
    for (const p of this.parts.partitions.values()) p.visible = p.position
    this.rebuilds.shown()
  }

  /** What is left to do after a publication. Mostly that is nothing, which is found out without an Effect. */
  private published(): Effect.Effect<void> {
    const { parts, reports } = this
    const { publication } = parts
    parts.metrics.published(parts.counters, publication.snapshot.size, this.lag(), publication.viewsTook)
    const isIdle = parts.latched && !reports.hasKeyless && !publication.hasWoken && !parts.state.wantsCompaction
    if (isIdle && !publication.isFull) return Effect.void
    return Effect.gen({ self: this }, function* () {
      // Whoever waits for the content to be at rest finds it so, however much there is to apply.
      if (publication.hasWoken) yield* yieldToEventLoop
      yield* this.catchUp.check
      yield* reports.warnOfKeyless
      if (publication.isFull) yield* publication.fold
      if (publication.isFull) {
        parts.waitsFor = "Subscriber"
        yield* publication.awaitRoom
        parts.waitsFor = undefined
      }
      if (parts.state.wantsCompaction) {
        const { expiry, publication, state } = parts
        yield* publication.makeRoom(
          (follow) => state.compact(expiry === undefined ? follow : (to) => expiry.follow(follow(to), to)),
          this.take
        )
      }
    })
  }

  /** Offsets between the positions and the high watermarks, of all partitions together. */
  private lag(): number {
    let lag = 0
    const cursors = this.source.cursors(this.parts.config.topic)
    for (const { partition, position } of this.parts.partitions.values()) {
      const highWatermark = cursors.get(partition)?.highWatermark ?? -1
      if (position !== undefined && highWatermark > position) lag += highWatermark - position
    }
    return lag
  }
}

/** Runs an Effect again and again, without giving way in between, as `Effect.forever` does. */
const repeating = <E>(effect: Effect.Effect<void, E>): Effect.Effect<never, E> =>
  Effect.andThen(Effect.whileLoop({ while: constTrue, body: () => effect, step: constVoid }), Effect.never)

const whyStale = (partition: number, { behindMillis, retentionMillis }: Stale): string =>
  `Behind for ${Math.round(behindMillis / 1000)} s, ${
    retentionMillis === undefined
      ? "and nobody says how long the topic keeps tombstones"
      : `longer than the topic keeps tombstones: ${retentionMillis} ms`
  } (delete.retention.ms). Deletions may have left no trace, so partition ${partition} is replayed.`
