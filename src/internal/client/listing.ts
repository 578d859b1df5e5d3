import * as Effect from "effect/Effect"
import type { KafkaClient, ListedOffset, TopicDescription } from "../../KafkaClient.ts"
import type { ClientError } from "../../KafkaError.ts"
import type { Broker, ListedGroup, ListGroupsRequest, PartitionMetadata } from "../../KafkaProtocol.ts"
import { byLeader } from "./leaders.ts"
import { LEADER_NOT_AVAILABLE, NONE, OFFSET_NOT_AVAILABLE } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { addressOf } from "./address.ts"
import type { Asking } from "./asking.ts"

const TIMESTAMPS = { earliest: -2, latest: -1 } as const

/** Asks where partitions begin or end, or where a time is in them, of all their leaders at once. */
export const listOffsets = (
  asking: Asking,
  ...[topic, at]: Parameters<KafkaClient["listOffsets"]>
): Effect.Effect<ReadonlyArray<ListedOffset>> => {
  const { name } = topic.topic
  const wanted = at.partitions === undefined ? topic.partitions : partitionsOf(topic, at.partitions)
  const led = [...byLeader(wanted).values()]
  const none = (partition: number, error: ClientError): ListedOffset => ({ partition, offset: -1, error })
  const unled = (partition: number): ListedOffset =>
    none(partition, brokerError({ code: LEADER_NOT_AVAILABLE, request: "ListOffsets", topic: name, partition }))

  const askLeader = (partitions: ReadonlyArray<PartitionMetadata>): Effect.Effect<ReadonlyArray<ListedOffset>> => {
    const leader = topic.brokers.get(partitions[0].leader)
    if (leader === undefined) return Effect.succeed(partitions.map((p) => unled(p.partition)))
    const broker = addressOf(leader)
    return asking
      .one(leader, (connection) =>
        connection.request("ListOffsets", {
          isolation: at.isolation,
          partitions: partitions.map(({ leaderEpoch, partition }) => ({
            topic: topic.topic,
            partition,
            leaderEpoch,
            timestamp: typeof at.timestamp === "number" ? at.timestamp : TIMESTAMPS[at.timestamp]
          }))
        })
      )
      .pipe(
        Effect.map((answer) => {
          const answers = new Map(answer.partitions.map((p) => [p.partition, p]))
          return partitions.map(({ partition }): ListedOffset => {
            const found = answers.get(partition)
            if (found === undefined) return unled(partition)
            // Some brokers say the offset -1, and no error, while they do not know an offset yet; of a time, that is an answer.
            const isUnknown = found.errorCode === 0 && found.offset < 0 && typeof at.timestamp !== "number"
            const code = isUnknown ? OFFSET_NOT_AVAILABLE : found.errorCode
            return code === 0
              ? { partition, offset: found.offset, error: undefined }
              : none(partition, brokerError({ code, request: "ListOffsets", broker, topic: name, partition }))
          })
        }),
        Effect.catch((error) => Effect.succeed(partitions.map((p) => none(p.partition, error))))
      )
  }

  // With a concurrency of one, nothing is forked.
  return Effect.forEach(led, askLeader, { concurrency: Math.max(1, led.length) }).pipe(
    Effect.map((lists) => lists.flat().sort((a, b) => a.partition - b.partition))
  )
}

/**
 * The known partitions among these numbers. Mostly a number is its place in the list, which spares a search through
 * many.
 */
const partitionsOf = (
  { partitions }: TopicDescription,
  numbers: ReadonlySet<number>
): ReadonlyArray<PartitionMetadata> =>
  [...numbers].flatMap((number) => {
    const there = partitions[number] as PartitionMetadata | undefined
    const found = there?.partition === number ? there : partitions.find(({ partition }) => partition === number)
    return found === undefined ? [] : [found]
  })

/** Asks any broker which brokers there are. */
export const listBrokers = (asking: Asking): Effect.Effect<ReadonlyArray<Broker>, ClientError> =>
  Effect.map(
    asking.anyInTurn((connection) => connection.request("Metadata", { topics: [] })),
    ({ brokers }) => {
      asking.brokers.learn(brokers)
      return brokers
    }
  )

/** Asks all brokers for the groups that they coordinate, and gives them in the order of their ids. */
export const listGroups = (
  asking: Asking,
  request: ListGroupsRequest
): Effect.Effect<ReadonlyArray<ListedGroup>, ClientError> =>
  Effect.gen(function* () {
    const brokers = yield* listBrokers(asking)
    const lists = yield* Effect.forEach(brokers, (broker) => groupsOf(asking, broker, request), { concurrency: 16 })
    // A group that moves from one broker to another meanwhile may be told by both.
    const groups = new Map(lists.flat().map((group) => [group.groupId, group]))
    return [...groups.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
  })

const groupsOf = (
  asking: Asking,
  broker: Broker,
  request: ListGroupsRequest
): Effect.Effect<ReadonlyArray<ListedGroup>, ClientError> =>
  Effect.flatMap(
    asking.one(broker, (connection) => connection.request("ListGroups", request)),
    ({ errorCode: code, groups }): Effect.Effect<ReadonlyArray<ListedGroup>, ClientError> =>
      code === NONE
        ? Effect.succeed(groups)
        : Effect.fail(brokerError({ code, request: "ListGroups", broker: addressOf(broker) }))
  )
