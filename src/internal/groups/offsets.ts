/** How far a group is: what it has committed, beside where its partitions end. */
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { ClientError, GroupError, TopicError } from "../../KafkaError.ts"
import type { GroupDescription, GroupOffset, GroupPartition } from "../../KafkaGroups.ts"
import type { CommittedOffset } from "../../KafkaProtocol.ts"
import { NONE, UNKNOWN_TOPIC_OR_PARTITION } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { byTopicAndPartition, describe } from "./describing.ts"
import { refusal, refusals } from "./refusals.ts"

/** How many topics are asked about at once. */
const TOPICS_AT_ONCE = 8

/** A partition as a key. A topic's name has no slash in it. */
export const keyOf = ({ partition, topic }: GroupPartition): string => `${topic}/${partition}`

/** All that a group has committed. What is committed in transactions that still run does not count. */
export const committedOf = (
  client: KafkaClient,
  group: string
): Effect.Effect<ReadonlyArray<CommittedOffset>, ClientError | GroupError> => {
  const request = { groupId: group, member: undefined, requireStable: false, partitions: undefined }
  return client.askCoordinator(group, "group", "OffsetFetch", request).pipe(
    refusals(group),
    Effect.flatMap(({ errorCode: code, partitions }) =>
      code === NONE ? Effect.succeed(partitions) : Effect.fail(refusal({ code, request: "OffsetFetch", group }))
    )
  )
}

/** An offset in a partition, or why there is none. */
export type Found = { readonly offset: number } | { readonly error: ClientError | TopicError }

/** Where partitions begin or end, or where a time is in them, of any topics at once. One that is missing has an error. */
export const offsetsAt = (
  client: KafkaClient,
  partitions: ReadonlyArray<GroupPartition>,
  timestamp: "earliest" | "latest" | number
): Effect.Effect<(place: GroupPartition) => Found> => {
  const numbers = new Map<string, Set<number>>()
  for (const { partition, topic } of partitions) {
    const others = numbers.get(topic)
    if (others === undefined) numbers.set(topic, new Set([partition]))
    else others.add(partition)
  }
  const found = new Map<string, Found>()
  const note = (topic: string, partition: number, one: Found) => found.set(keyOf({ topic, partition }), one)
  return Effect.forEach(
    numbers,
    ([topic, wanted]) =>
      client.describeTopic(topic).pipe(
        Effect.flatMap((description) =>
          client.listOffsets(description, { isolation: "read_committed", timestamp, partitions: wanted })
        ),
        Effect.match({
          onSuccess: (listed) => {
            for (const { error, offset, partition } of listed) {
              note(topic, partition, error === undefined ? { offset } : { error })
            }
          },
          onFailure: (error) => {
            for (const partition of wanted) note(topic, partition, { error })
          }
        })
      ),
    { concurrency: TOPICS_AT_ONCE, discard: true }
  ).pipe(Effect.as((place) => found.get(keyOf(place)) ?? { error: missing(place) }))
}

/** The error of a partition that its topic does not have. */
const missing = ({ partition, topic }: GroupPartition): ClientError =>
  brokerError({ code: UNKNOWN_TOPIC_OR_PARTITION, request: "Metadata", topic, partition })

/** Who owns which partition. */
const ownersOf = ({ members }: GroupDescription): ReadonlyMap<string, GroupPartition & { readonly member: string }> =>
  new Map(
    members.flatMap(({ assignment = [], id }) => assignment.map((place) => [keyOf(place), { ...place, member: id }]))
  )

/** How far a group is in each partition that it has committed of, or that a member owns. */
export const offsetsOf = (
  client: KafkaClient,
  group: string
): Effect.Effect<ReadonlyArray<GroupOffset>, ClientError | GroupError> =>
  Effect.gen(function* () {
    // The coordinator has no offsets of a group that does not exist, and no code for that either.
    const owners = ownersOf(yield* describe(client, group))
    const committed = new Map(
      (yield* committedOf(client, group)).map((one) => [
        keyOf({ topic: one.topic.name, partition: one.partition }),
        one
      ])
    )
    const places = new Map<string, GroupPartition>()
    for (const [key, { partition, topic }] of committed) places.set(key, { topic: topic.name, partition })
    for (const [key, { partition, topic }] of owners) places.set(key, { topic, partition })
    const endOf = yield* offsetsAt(client, [...places.values()], "latest")
    return [...places]
      .map(([key, place]): GroupOffset => {
        const one = committed.get(key)
        const end = endOf(place)
        return offsetIn(place, one, end, owners.get(key)?.member)
      })
      .sort(byTopicAndPartition)
  })

const offsetIn = (
  place: GroupPartition,
  one: CommittedOffset | undefined,
  found: Found,
  member: string | undefined
): GroupOffset => {
  const refused =
    one === undefined || one.errorCode === NONE
      ? undefined
      : brokerError({ code: one.errorCode, request: "OffsetFetch", ...place })
  const committed = one === undefined || refused !== undefined || one.offset < 0 ? undefined : one.offset
  const end = "error" in found ? undefined : found.offset
  return {
    ...place,
    committed,
    metadata: one?.metadata,
    end,
    // A log that was truncated, or made anew, may end before what was committed.
    lag: committed === undefined || end === undefined ? undefined : Math.max(0, end - committed),
    member,
    error: refused ?? ("error" in found ? found.error : undefined)
  }
}
