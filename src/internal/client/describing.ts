import * as Effect from "effect/Effect"
import type { TopicDescription, TopicSummary } from "../../KafkaClient.ts"
import { TopicError, type ClientError } from "../../KafkaError.ts"
import { UNKNOWN_TOPIC_OR_PARTITION } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import type { Asking } from "./asking.ts"

/** Asks any broker about a topic. The brokers that it names are remembered. */
export const describeTopic = (
  asking: Asking,
  topic: string
): Effect.Effect<TopicDescription, ClientError | TopicError> =>
  Effect.flatMap(
    asking.anyInTurn(
      (connection) =>
        Effect.map(connection.request("Metadata", { topics: [topic] }), (answer) => ({
          broker: connection.address,
          answer,
          found: answer.topics.find((t) => t.name === topic)
        })),
      {
        // That there is no such topic is an answer: the next broker may not know a new topic yet either.
        codeOf: ({ found }) => (found?.errorCode === UNKNOWN_TOPIC_OR_PARTITION ? 0 : (found?.errorCode ?? 0))
      }
    ),
    ({ answer, broker, found }) => {
      asking.brokers.learn(answer.brokers)
      if (found === undefined || found.errorCode === UNKNOWN_TOPIC_OR_PARTITION) {
        return Effect.fail(new TopicError({ reason: "NotFound", topic, broker }))
      }
      if (found.errorCode !== 0) return Effect.fail(refusal(topic, broker, found.errorCode))
      return Effect.succeed({
        topic: { name: topic, id: found.id },
        partitions: found.partitions,
        brokers: new Map(answer.brokers.map((b) => [b.nodeId, b])),
        controllerId: answer.controllerId
      })
    }
  )

/**
 * Asks any broker for all topics, and gives those whose name is wanted, in the order of their names. A topic that is
 * being created, and has no partitions yet, is not among them.
 */
export const topicsMatching = (
  asking: Asking,
  isWanted: (name: string) => boolean
): Effect.Effect<ReadonlyArray<TopicSummary>, ClientError> =>
  Effect.map(
    asking.anyInTurn((connection) => connection.request("Metadata", { topics: "all" })),
    ({ brokers, topics }) => {
      asking.brokers.learn(brokers)
      return topics
        .filter(({ name, partitions }) => partitions.length > 0 && isWanted(name))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ id, name, partitions }) => ({ topic: { name, id }, partitions: partitions.length }))
    }
  )

const refusal = (topic: string, broker: string, code: number): ClientError | TopicError => {
  const error = brokerError({ code, request: "Metadata", broker, topic })
  return error.reason === "Unauthorized"
    ? new TopicError({ reason: "Unauthorized", topic, broker, detail: error.codeName, cause: error })
    : error
}
