/** Members of groups that a test lets join, as other processes would. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { ForeignMember, MemberOptions } from "../../../EmbeddedKafka.ts"
import type { KafkaClient } from "../../../KafkaClient.ts"
import type { Signal } from "../../signal.ts"
import { classicMember } from "./classic.ts"
import { consumerMember, leavingHeartbeat } from "./consumer.ts"
import { Foreign, type MemberSettings } from "./foreign.ts"

/** What a member needs of its cluster. */
export interface Surroundings {
  readonly client: KafkaClient
  readonly newMemberId: () => string
  /** Whether the group has come to rest with a member in it. */
  readonly isSettled: (memberId: string) => boolean
  /** Is notified when that may have changed. */
  readonly changed: Signal
}

const millisOf = (input: Duration.Input | undefined, fallback: number): number =>
  input === undefined ? fallback : Duration.toMillis(Duration.fromInputUnsafe(input))

const settingsOf = (options: MemberOptions): MemberSettings => ({
  topics: options.topics,
  assignor: options.assignor,
  instanceId: options.instanceId,
  sessionTimeoutMillis: millisOf(options.sessionTimeout, 30_000),
  heartbeatIntervalMillis: millisOf(options.heartbeatInterval, 3_000),
  rebalanceTimeoutMillis: millisOf(options.rebalanceTimeout, 60_000)
})

/** Lets a member join. It leaves with the scope, unless it is gone before. */
export const makeMember = (
  group: string,
  options: MemberOptions,
  surroundings: Surroundings
): Effect.Effect<ForeignMember, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { client, newMemberId } = surroundings
    const isClassic = options.protocol !== "consumer"
    // What it is made of is closed at its end, which may come before that of the scope.
    const own = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const coordinator = yield* Scope.provide(client.coordinator(group, "group"), own)
    const member = new Foreign(group, settingsOf(options), client, coordinator)
    const life = isClassic ? classicMember(member) : consumerMember(member, newMemberId)
    const fiber = yield* Effect.forkIn(Effect.ignore(Effect.interruptible(life)), own)
    let isGone = false

    /** Ends it, once. */
    const end = (last: Effect.Effect<unknown>) =>
      Effect.suspend(() => {
        if (isGone) return Effect.void
        isGone = true
        return Fiber.interrupt(fiber).pipe(
          Effect.andThen(last),
          Effect.andThen(Effect.sync(() => member.update({ hasJoined: false, owned: new Map() }))),
          Effect.andThen(Scope.close(own, Exit.void))
        )
      })

    const leaving = Effect.suspend(() => {
      const self = { groupId: group, memberId: member.memberId, instanceId: options.instanceId }
      if (self.memberId === "") return Effect.void
      return isClassic
        ? coordinator.request("LeaveGroup", { ...self, reason: undefined })
        : coordinator.request("ConsumerGroupHeartbeat", leavingHeartbeat(self))
    })
    const leave = end(Effect.ignore(leaving))
    yield* Effect.addFinalizer(() => leave)

    const joined: ForeignMember["joined"] = Effect.suspend(() => {
      if (member.failure !== undefined) return Effect.fail(member.failure)
      if (member.hasJoined && surroundings.isSettled(member.memberId)) return Effect.void
      const { changed } = surroundings
      const either = Effect.raceFirst(member.changed.after(member.changed.version), changed.after(changed.version))
      return Effect.andThen(either, joined)
    })

    return {
      memberId: Effect.sync(() => member.memberId),
      assigned: Effect.sync(() =>
        [...member.owned].flatMap(([topic, partitions]) =>
          [...partitions].sort((a, b) => a - b).map((partition) => ({ topic, partition }))
        )
      ),
      joined,
      holdRevocation: Effect.sync(() => member.update({ isHolding: true })),
      release: Effect.sync(() => member.update({ isHolding: false })),
      leave,
      vanish: end(Effect.void)
    }
  })
