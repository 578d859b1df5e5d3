/** Takes what the source delivers, and what becomes of logs that are no continuation of what was read. */
import * as Effect from "effect/Effect"
import type { TopicPartition } from "../../KafkaConsumer.ts"
import { GroupError, LogTruncatedError } from "../../KafkaError.ts"
import { annotateLogs } from "../log.ts"
import type { Opened, SourceEvent, Truncated } from "../source/cursor.ts"
import type { GoneTopics } from "./goneTopics.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import { type ConsumerParts, failConsumer, MAX_FETCHED_BYTES } from "./parts.ts"
import { edgeOf } from "./starting.ts"
import { keyOf } from "./member/topicPartitions.ts"

/** Reads until it is interrupted, or the source breaks. */
export const runReading = <K, V>(parts: ConsumerParts<K, V>, goneTopics: GoneTopics): Effect.Effect<never> => {
  const { commits, config, events, health, owned, ready, source } = parts
  const annotate = annotateLogs("KafkaConsumer", { group: config.group })

  const ownedAt = (place: TopicPartition): OwnedPartition | undefined => owned.get(keyOf(place))

  const topicIdOf = ({ topic }: TopicPartition): string | undefined => source.description(topic)?.topic.id

  /** Whether a partition is read from elsewhere by now. */
  const isStale = (topic: string, partition: number, generation: number): boolean =>
    source.cursors(topic).get(partition)?.generation !== generation

  const onOpened = (event: Opened) => {
    const p = ownedAt(event)
    if (p === undefined || p.phase === "gone") return
    p.topicId ??= topicIdOf(p)
    // It is known where to begin, or where to go on after a jump.
    if (p.phase === "starting") {
      const { sought } = p
      // What was found may be of before its user wanted it elsewhere, where it is being opened by now.
      p.jumpTo(sought ?? event.start)
      p.isMoved = p.isReset
      if (p.isReset && sought === undefined)
        events.tell({ _tag: "OffsetsMissing", topic: p.topic, partition: p.partition, offset: event.start })
    } else p.prefix!.passTo(event.start)
    commits.notify()
    ready.notify()
  }

  /** Goes on at another offset with a log that does not hold the one to go on at. */
  const onTruncated = ({ error: found, generation }: Truncated) =>
    Effect.gen(function* () {
      const { from, partition, reason, to, topic } = found
      const error = new LogTruncatedError({ reason, topic, partition, from, to, group: config.group })
      const p = ownedAt(found)
      // Where it is opened anew already, as its user wants it elsewhere, that is going to tell how it fits the log.
      const isOver = () => p === undefined || p.phase === "gone" || isStale(topic, partition, generation)
      if (p === undefined || isOver()) return
      if (config.from === "fail") {
        return failConsumer(
          parts,
          new GroupError({
            reason: "NoOffset",
            group: config.group,
            topic,
            partition,
            offset: from,
            detail: error.message
          })
        )
      }
      // Where it is to begin at an offset that the log has not come to, that one was of another log.
      const isElsewhere = error.reason === "Head" ? config.from === "latest" : p.phase === "starting"
      const offset = (isElsewhere ? yield* edgeOf(parts, p, config.from) : undefined) ?? error.to
      if (isOver()) return
      // A log that was cut off at its end has the same offsets again: what was handed out of those does not count.
      if (p.prefix === undefined || error.reason === "Tail") {
        p.jumpTo(offset)
        health.forget(p)
      } else p.prefix.passTo(offset)
      p.dropFetched()
      p.topicId ??= topicIdOf(p)
      p.isMoved = true
      commits.notify()
      source.reopen(topic, partition, offset)
      events.tell({ _tag: "LogTruncated", error, offset })
      yield* Effect.logWarning(`goes on at offset ${offset}: ${error.message}`).pipe(
        annotate,
        Effect.annotateLogs({ topic, partition })
      )
    })

  const handle = (event: SourceEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Opened":
        return Effect.sync(() => onOpened(event))
      case "Fetched":
        return Effect.sync(() => {
          for (const records of event.partitions) {
            const p = ownedAt(records)
            if (p?.phase !== "open" || records.records.length === 0) continue
            p.add(records)
            if (p.fetchedBytes >= MAX_FETCHED_BYTES) source.hold(p.topic, p.partition, true)
          }
          ready.notify()
        })
      case "Truncated":
        return onTruncated(event)
      case "Denied":
        return Effect.andThen(
          Effect.sync(() => health.deny(event.error)),
          Effect.logError(
            `not allowed to read, tried again every ${config.deniedRetryIntervalMillis} ms: ${event.error.message}`
          ).pipe(annotate)
        )
      case "Granted":
        return Effect.sync(() => health.deny(undefined))
      case "Fatal":
        if (event.error._tag === "KafkaTopicError" && event.topic !== undefined) {
          return goneTopics.found(event.topic, event.error)
        }
        return Effect.sync(() => failConsumer(parts, event.error))
      case "PartitionCount":
        return Effect.void
    }
  }

  return Effect.raceFirst(Effect.forever(Effect.flatMap(source.take, handle)), source.broken)
}
