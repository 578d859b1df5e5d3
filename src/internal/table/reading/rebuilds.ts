/** The rebuilds of a table, from the decision to replay a partition to the step in which its rows are replaced. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TopicError } from "../../../KafkaError.ts"
import { LineRate, moreOf } from "../../lineRate.ts"
import { annotateLogs } from "../../log.ts"
import type { Source } from "../../source/source.ts"
import { newState, publishStatus, type TableParts } from "./parts.ts"
import type { PartitionState } from "./partition.ts"
import { Rebuild } from "./rebuild.ts"

export class Rebuilds<K, V> {
  private readonly parts: TableParts<K, V>
  private readonly source: Source
  private readonly annotate: ReturnType<typeof annotateLogs>
  private readonly lines = new LineRate()
  /**
   * The rebuild of all partitions by a reader that was restarted, until that is complete. It is one rebuild, as rows of
   * two topics that had the same name one after the other are never mixed.
   */
  private whole: Rebuild<K, V> | undefined
  /** Whether that rebuild is complete, and is not shown yet. */
  private isWholeToShow = false

  constructor(parts: TableParts<K, V>, source: Source, isRestarted: boolean) {
    this.parts = parts
    this.source = source
    this.annotate = annotateLogs("KafkaTable", { topic: parts.config.topic })
    this.whole = isRestarted ? new Rebuild(() => newState(parts.config), parts.live, false) : undefined
  }

  /** Whether the live content is still that of an earlier run of the reader. */
  get replacesAll(): boolean {
    return this.whole !== undefined
  }

  /** Adds a partition that is known for the first time in this run. */
  join(p: PartitionState<K, V>): void {
    this.whole?.add(p)
  }

  /** Replays a partition, and all those that are replayed together with it, as what was replayed of them is mixed. */
  begin(partition: number, why: string): Effect.Effect<void> {
    const { config, counters, partitions } = this.parts
    const p = partitions.get(partition)!
    counters.rebuilds++
    if (p.rebuild === undefined) new Rebuild(() => newState(config), [], true).add(p)
    else p.rebuild.restart()
    for (const other of p.rebuild!.partitions) this.source.reopen(config.topic, other.partition)
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const told = this.lines.take(`rebuild of ${partition}`, 1, now)
      if (told === undefined) return Effect.void
      return Effect.logWarning(why + moreOf(told)).pipe(this.annotate, Effect.annotateLogs({ partition }))
    })
  }

  /** Whether a rebuild is complete, and can take its place. */
  get hasComplete(): boolean {
    for (const { rebuild } of this.parts.partitions.values()) if (rebuild?.isComplete === true) return true
    return false
  }

  /** Puts the rows of complete rebuilds in their places. The next publication shows them. */
  get complete(): Effect.Effect<void> {
    const { parts } = this
    return Effect.gen({ self: this }, function* () {
      const running = new Set<Rebuild<K, V>>()
      for (const { rebuild } of parts.partitions.values()) if (rebuild !== undefined) running.add(rebuild)
      for (const rebuild of running) {
        if (!rebuild.isComplete) continue
        parts.state.note(parts.publication.beginUpdate())
        // Rows of a log and of its replay are never shown together, however the reader ends.
        const replacing = parts.state.replace(rebuild.replaced, rebuild.state, rebuild.sameLog)
        yield* Effect.uninterruptible(parts.publication.runUntilEnded(replacing))
        for (const partition of rebuild.replaced) parts.live.delete(partition)
        for (const p of rebuild.partitions) {
          parts.live.add(p.partition)
          // The gate from before may be beyond the log's end now; the rebuild's target was reached.
          p.position = p.gate = p.start = p.replay!.position
          p.rebuild = undefined
          p.replay = undefined
        }
        yield* Effect.logInfo(`rebuilt ${rebuild.partitions.size} partition(s), ${parts.state.size} entries`).pipe(
          this.annotate
        )
        if (rebuild === this.whole) this.completeAll(rebuild)
      }
    })
  }

  /** The rebuild of all partitions is complete: the table is what this run of the reader has read. */
  private completeAll({ replaced }: Rebuild<K, V>): void {
    this.whole = undefined
    this.isWholeToShow = true
    this.noteGone([...replaced].filter((partition) => !this.parts.partitions.has(partition)))
  }

  /** To be called with each publication, once the rows are shown: tells the status of those that a rebuild has brought. */
  shown(): void {
    if (!this.isWholeToShow) return
    this.isWholeToShow = false
    const { parts } = this
    parts.restartsAfter = undefined
    // A table that catches up for the first time is told so by `CatchUp`, with all else that this means.
    if (parts.latched) publishStatus(parts, { _tag: "CaughtUp" })
  }

  /** Fails whoever waits for positions in partitions that the topic does not have any more, now and later. */
  private noteGone(partitions: ReadonlyArray<number>): void {
    const { parts } = this
    const { topic } = parts.config
    const expected = parts.topicId
    const actual = this.source.description(topic)?.topic.id
    parts.topicId = actual
    if (partitions.length === 0) return
    const error = new TopicError({
      reason: "Recreated",
      topic,
      detail: `it has ${parts.partitions.size} partition(s) now, and had ${parts.partitions.size + partitions.length}`,
      ...(expected === undefined ? {} : { expected }),
      ...(actual === undefined ? {} : { actual })
    })
    parts.gone = { partitions: new Set([...(parts.gone?.partitions ?? []), ...partitions]), error }
    parts.publication.waiters.failOf(parts.gone.partitions, Cause.fail(error))
  }
}
