/** How the members of a group of the classic protocol share its partitions: by assignors, whoever of them leads. */
import * as Effect from "effect/Effect"
import { GroupError } from "../../../KafkaError.ts"
import type { TopicPartition } from "../../../KafkaConsumer.ts"
import type { JoinGroupMember, SyncGroupAssignment } from "../../../KafkaProtocol.ts"
import type { Assignor, GroupMember, PartitionCounts } from "../assignors/members.ts"
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Subscription,
  type TopicPartitions
} from "../../protocol/consumerProtocol.ts"
import { annotateLogs } from "../../log.ts"
import { runInSlices } from "../../yield.ts"
import { byTopicName } from "./topicPartitions.ts"
import type { MembershipFailure } from "./member.ts"
import type { Sharing } from "./classicMember.ts"

/** Partitions by topic, as they are in bytes. */
const byTopic = (partitions: ReadonlyArray<TopicPartition>): ReadonlyArray<TopicPartitions> =>
  [...byTopicName(partitions)].map(([topic, numbers]) => ({ topic, partitions: numbers }))

const NO_SUBSCRIPTION: Pick<Subscription, "topics" | "ownedPartitions" | "generation"> = {
  topics: [],
  ownedPartitions: [],
  generation: -1
}

export const makeSharing = ({
  assignors,
  countsOf,
  group,
  leads,
  topics
}: {
  readonly group: string
  /** The favourite first. */
  readonly assignors: ReadonlyArray<Assignor>
  /** The topics that this member subscribes to at present. */
  readonly topics: () => ReadonlyArray<string>
  /** How many partitions these topics have, asked for now; what does not exist is left out. */
  readonly countsOf: (topics: Iterable<string>) => Effect.Effect<PartitionCounts, MembershipFailure>
  readonly leads: Sharing["leads"]
}): Sharing => {
  const annotate = annotateLogs("KafkaConsumer", { group })

  const read = <A>(what: string, decode: () => A): Effect.Effect<A, MembershipFailure> =>
    Effect.try({
      try: decode,
      catch: (cause) =>
        new GroupError({
          reason: "Inconsistent",
          group,
          detail: `${what} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause
        })
    })

  const plan = (protocolName: string, members: ReadonlyArray<JoinGroupMember>) =>
    Effect.gen(function* () {
      const assignor = assignors.find(({ name }) => name === protocolName)
      if (assignor === undefined) {
        const detail = `the group has agreed on ${protocolName}, which this member does not have`
        return yield* Effect.fail(new GroupError({ reason: "Inconsistent", group, detail }))
      }
      const all = yield* Effect.forEach(members, ({ instanceId, memberId, metadata }) =>
        read(`what member ${memberId} wants`, () => decodeSubscription(metadata)).pipe(
          // What others have written may be anything, and is not to stop the group: such a member is given nothing.
          Effect.catch((error) => Effect.as(annotate(Effect.logWarning(error.message)), NO_SUBSCRIPTION)),
          Effect.map(({ generation, ownedPartitions, topics }): GroupMember => ({
            memberId,
            instanceId,
            topics,
            owned: ownedPartitions,
            generation
          }))
        )
      )
      const counts = yield* countsOf(new Set(all.flatMap(({ topics }) => topics)))
      const given = yield* runInSlices(assignor.assign(all, counts))
      return [...given].map(([memberId, partitions]): SyncGroupAssignment => ({
        memberId,
        assignment: encodeAssignment({ partitions, userData: undefined })
      }))
    })

  return {
    isCooperative: assignors.every(({ isCooperative }) => isCooperative),
    subscriptions: (owned, generation) =>
      assignors.map(({ name }) => ({
        name,
        metadata: encodeSubscription({
          topics: topics(),
          userData: undefined,
          ownedPartitions: byTopic(owned),
          generation,
          rackId: undefined
        })
      })),
    plan,
    read: (assignment) =>
      read("the assignment", () =>
        decodeAssignment(assignment).partitions.flatMap(({ partitions, topic }) =>
          partitions.map((partition) => ({ topic, partition }))
        )
      ),
    leads
  }
}
