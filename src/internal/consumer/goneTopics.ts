/** What becomes of partitions whose topic was deleted, and of those of a topic that was created anew under the name. */
import * as Effect from "effect/Effect"
import type { TopicError } from "../../KafkaError.ts"
import { annotateLogs } from "../log.ts"
import type { ConsumerParts } from "./parts.ts"

export interface GoneTopics {
  /** The source has found that a topic is gone, or another one. */
  readonly found: (topic: string, error: TopicError) => Effect.Effect<void>
  /** The topics were looked at: those that are there. */
  readonly looked: (there: ReadonlyMap<string, number>) => Effect.Effect<void>
}

export const makeGoneTopics = <K, V>(
  { config, events, health, owned, source }: ConsumerParts<K, V>,
  /** Has the topics looked at, and the group hear that they have changed. */
  lookAgain: Effect.Effect<void>
): GoneTopics => {
  const annotate = annotateLogs("KafkaConsumer", { group: config.group })
  /** Topics that were found gone while partitions of them are owned. */
  const gone = new Set<string>()

  /** Begins with what is owned of a topic at its beginning. */
  const beginAnew = (topic: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      gone.delete(topic)
      const all = [...owned.values()].filter((p) => p.topic === topic && p.isOfGoneTopic && p.phase !== "closing")
      for (const p of all) {
        p.beginAnew()
        health.forget(p)
      }
      return all.length === 0
        ? Effect.void
        : source.add(topic, new Map(all.map(({ partition }) => [partition, undefined])))
    })

  return {
    found: (topic, error) =>
      Effect.gen(function* () {
        yield* source.remove(topic)
        for (const p of owned.values()) {
          if (p.topic !== topic) continue
          p.loseTopic()
          health.forget(p)
        }
        events.tell({ _tag: "TopicGone", error })
        yield* Effect.logWarning(`its partitions are not read any more: ${error.message}`).pipe(
          annotate,
          Effect.annotateLogs({ topic })
        )
        gone.add(topic)
        yield* error.reason === "Recreated" ? beginAnew(topic) : lookAgain
      }),
    looked: (there) =>
      Effect.forEach(
        [...gone].filter((topic) => there.has(topic)),
        beginAnew,
        { discard: true }
      )
  }
}
