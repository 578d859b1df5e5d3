/**
 * Whether the topics of what is to be committed are still those that it was read of. A coordinator before Kafka 4.2 takes
 * commits by the topics' names, and would take what was done of a topic that is gone for one that has its name by now.
 */
import * as Effect from "effect/Effect"
import type { OwnedPartition } from "./ownedPartition.ts"
import type { ConsumerParts } from "./parts.ts"

/** How many topics are asked about at once. */
const TOPICS_AT_ONCE = 8

export interface SameTopics {
  /**
   * Whether a partition can be taken to be of the topic that it was read of, as it is being fetched: its leader would say at
   * once that the topic is another one, and what was committed in that very moment is put right then.
   */
  readonly isSure: (partition: OwnedPartition) => boolean
  /**
   * Whether the topics of these partitions are the ones that they were read of, by what a broker says now. Of those that are
   * missing nobody could say it.
   */
  readonly ask: (partitions: ReadonlyArray<OwnedPartition>) => Effect.Effect<ReadonlyMap<OwnedPartition, boolean>>
}

export const makeSameTopics = <K, V>({ client, source }: ConsumerParts<K, V>): SameTopics => {
  /** The id of the topic of this name; `undefined` if there is none, as far as the broker knows, or it cannot be asked now. */
  const idOf = (topic: string): Effect.Effect<string | undefined> =>
    Effect.match(client.describeTopic(topic), {
      onFailure: () => undefined,
      onSuccess: (description) => description.topic.id
    })

  return {
    isSure: ({ partition, topic }) => {
      const cursor = source.cursors(topic).get(partition)
      return cursor !== undefined && cursor.phase === "fetching" && cursor.connected && !cursor.isFull
    },
    ask: (partitions) =>
      Effect.gen(function* () {
        const topics = [...new Set(partitions.map(({ topic }) => topic))]
        const ids = yield* Effect.forEach(topics, idOf, { concurrency: TOPICS_AT_ONCE })
        const idByName = new Map(topics.map((topic, i) => [topic, ids[i]]))
        const known = partitions.filter(({ topic }) => idByName.get(topic) !== undefined)
        const same = new Map(known.map((p) => [p, idByName.get(p.topic) === p.topicId]))
        // What is not fetched at present would notice it late.
        if (partitions.some((p) => same.get(p) !== true)) source.refresh()
        return same
      })
  }
}
