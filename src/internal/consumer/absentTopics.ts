/** What is told of topics that are subscribed to by their names, and are not there, or not to be seen. */
import * as Effect from "effect/Effect"
import type { TopicError } from "../../KafkaError.ts"
import { annotateLogs } from "../log.ts"
import type { ConsumerParts } from "./parts.ts"

/** Takes note, after each look, of all that are absent: each is told once, until it is there. */
export const makeAbsentTopics = <K, V>({
  config,
  health
}: ConsumerParts<K, V>): ((errors: ReadonlyArray<TopicError>) => Effect.Effect<void>) => {
  const annotate = annotateLogs("KafkaConsumer", { group: config.group })
  // Nothing else tells of a name that is misspelled: a member that is given nothing is as sound as any.
  let told: ReadonlySet<string> = new Set()

  return (errors) =>
    Effect.suspend(() => {
      const denied = errors.find(({ reason }) => reason === "Unauthorized")
      if (denied === undefined) health.available("topics")
      else health.unavailable("topics", denied)
      const news = errors.filter(({ topic }) => !told.has(topic))
      told = new Set(errors.map(({ topic }) => topic))
      return Effect.forEach(
        news,
        (error) =>
          Effect.logWarning(`nothing of a topic is assigned, it is looked for again and again: ${error.message}`).pipe(
            annotate,
            Effect.annotateLogs({ topic: error.topic })
          ),
        { discard: true }
      )
    })
}
