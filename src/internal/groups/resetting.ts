/** Sets where a group goes on, and forgets where it was: once nobody is in it. */
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import { type ClientError, GroupError, type TopicError } from "../../KafkaError.ts"
import type { GroupPartition, OffsetReset, ResetOptions, ResetTarget } from "../../KafkaGroups.ts"
import type { CommittedOffset } from "../../KafkaProtocol.ts"
import { NONE } from "../protocol/codes.ts"
import { byTopicAndPartition, describe } from "./describing.ts"
import { committedOf, type Found, keyOf, offsetsAt } from "./offsets.ts"
import { refusal, refusals } from "./refusals.ts"

type ResetError = ClientError | GroupError | TopicError

type Offset = GroupPartition & { readonly offset: number }

/** Commits offsets for a group without members, and gives what they were and are. */
export const resetOffsets = (
  client: KafkaClient,
  group: string,
  { dryRun, to, topics }: ResetOptions
): Effect.Effect<ReadonlyArray<OffsetReset>, ResetError> =>
  Effect.gen(function* () {
    const isNamed = topics !== undefined || (typeof to === "object" && "offsets" in to)
    yield* ensureEmpty(client, group, isNamed)
    const committed = yield* committedOf(client, group)
    const offsets = yield* targets(client, group, to, topics ?? undefined, committed)
    if (dryRun !== true) yield* commit(client, group, offsets)
    const before = new Map(committed.map((one) => [keyOf({ topic: one.topic.name, partition: one.partition }), one]))
    return offsets.map(({ offset, partition, topic }): OffsetReset => {
      const from = before.get(keyOf({ topic, partition }))?.offset ?? -1
      return { topic, partition, from: from < 0 ? undefined : from, to: offset }
    })
  })

/** Fails unless the group has no members. One that does not exist has none, either. */
const ensureEmpty = (client: KafkaClient, group: string, mayBeNew: boolean): Effect.Effect<void, ResetError> =>
  describe(client, group).pipe(
    Effect.flatMap(({ members, state }) =>
      members.length === 0
        ? Effect.void
        : Effect.fail(new GroupError({ reason: "NotEmpty", group, detail: `${members.length} members, ${state}` }))
    ),
    Effect.catchTag("KafkaGroupError", (error) =>
      error.reason === "NotFound" && mayBeNew ? Effect.void : Effect.fail(error)
    )
  )

/** Where the group is to go on, in the order of topics and partitions. */
const targets = (
  client: KafkaClient,
  group: string,
  to: ResetTarget,
  topics: ReadonlyArray<string> | undefined,
  committed: ReadonlyArray<CommittedOffset>
): Effect.Effect<ReadonlyArray<Offset>, ResetError> =>
  Effect.gen(function* () {
    if (typeof to === "object" && "offsets" in to) return yield* inRange(client, group, to.offsets)
    const places =
      topics === undefined
        ? committed.map(({ partition, topic }) => ({ topic: topic.name, partition }))
        : yield* partitionsOf(client, topics)
    const sorted = [...places].sort(byTopicAndPartition)
    if (typeof to === "string") return yield* found(sorted, yield* offsetsAt(client, sorted, to))
    const atTime = yield* found(sorted, yield* offsetsAt(client, sorted, to.timestamp))
    // Nothing came at or after that time: the group goes on at the end.
    const none = atTime.filter(({ offset }) => offset < 0)
    const ends = yield* found(none, yield* offsetsAt(client, none, "latest"))
    const endOf = new Map(ends.map((end) => [keyOf(end), end]))
    return atTime.map((one) => endOf.get(keyOf(one)) ?? one)
  })

const partitionsOf = (
  client: KafkaClient,
  topics: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<GroupPartition>, ResetError> =>
  Effect.map(
    Effect.forEach(new Set(topics), (topic) =>
      Effect.map(client.describeTopic(topic), ({ partitions }) =>
        partitions.map(({ partition }): GroupPartition => ({ topic, partition }))
      )
    ),
    (all) => all.flat()
  )

/** The offsets of all these partitions, or the first failure. */
const found = (
  places: ReadonlyArray<GroupPartition>,
  offsetOf: (place: GroupPartition) => Found
): Effect.Effect<ReadonlyArray<Offset>, ClientError | TopicError> =>
  Effect.forEach(places, ({ partition, topic }): Effect.Effect<Offset, ClientError | TopicError> => {
    const one = offsetOf({ topic, partition })
    return "error" in one ? Effect.fail(one.error) : Effect.succeed({ topic, partition, offset: one.offset })
  })

/** These offsets, if each of them is in its partition, or its end. */
const inRange = (
  client: KafkaClient,
  group: string,
  offsets: ReadonlyArray<Offset>
): Effect.Effect<ReadonlyArray<Offset>, ResetError> =>
  Effect.gen(function* () {
    const sorted = offsets
      .map(({ offset, partition, topic }): Offset => ({ topic, partition, offset }))
      .sort(byTopicAndPartition)
    const starts = yield* found(sorted, yield* offsetsAt(client, sorted, "earliest"))
    const ends = yield* found(sorted, yield* offsetsAt(client, sorted, "latest"))
    for (const [i, { offset, partition, topic }] of sorted.entries()) {
      const [start, end] = [starts[i].offset, ends[i].offset]
      if (offset >= start && offset <= end) continue
      const detail = `offset ${offset}, where the log has ${start} to ${end}`
      return yield* Effect.fail(new GroupError({ reason: "OutOfRange", group, topic, partition, detail }))
    }
    return sorted
  })

/** Commits as nobody's member, which a coordinator takes only while there are no members. */
const commit = (
  client: KafkaClient,
  group: string,
  offsets: ReadonlyArray<Offset>
): Effect.Effect<void, ClientError | GroupError> => {
  if (offsets.length === 0) return Effect.void
  const nobody = { groupId: group, generation: -1, memberId: "", instanceId: undefined }
  const partitions = offsets.map(({ offset, partition, topic }) => ({
    topic: { name: topic, id: undefined },
    partition,
    offset,
    leaderEpoch: -1,
    metadata: undefined
  }))
  return client.askCoordinator(group, "group", "OffsetCommit", { ...nobody, partitions }).pipe(
    refusals(group),
    Effect.flatMap((answer) => unlessRefused(group, "OffsetCommit", answer.partitions))
  )
}

/** Fails with the first refusal of a partition. */
const unlessRefused = (
  group: string,
  request: string,
  partitions: ReadonlyArray<{
    readonly errorCode: number
    readonly topic: { readonly name: string }
    readonly partition: number
  }>
): Effect.Effect<void, ClientError | GroupError> => {
  const refused = partitions.find(({ errorCode }) => errorCode !== NONE)
  if (refused === undefined) return Effect.void
  const { errorCode: code, partition, topic } = refused
  return Effect.fail(refusal({ code, request, group, topic: topic.name, partition }))
}

/** Deletes the offsets of these topics, and gives what they were. */
export const deleteOffsets = (
  client: KafkaClient,
  group: string,
  topics: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Offset>, ClientError | GroupError> =>
  Effect.gen(function* () {
    yield* describe(client, group)
    const all = yield* committedOf(client, group)
    const meant = all.filter(({ offset, topic }) => offset >= 0 && topics.includes(topic.name))
    if (meant.length === 0) return []
    const partitions = meant.map(({ partition, topic }) => ({ topic, partition }))
    const answer = yield* client
      .askCoordinator(group, "group", "OffsetDelete", { groupId: group, partitions })
      .pipe(refusals(group))
    if (answer.errorCode !== NONE) {
      return yield* Effect.fail(refusal({ code: answer.errorCode, request: "OffsetDelete", group }))
    }
    yield* unlessRefused(group, "OffsetDelete", answer.partitions)
    return meant
      .map(({ offset, partition, topic }): Offset => ({ topic: topic.name, partition, offset }))
      .sort(byTopicAndPartition)
  })
