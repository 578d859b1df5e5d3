/** What the handle of a cluster does with groups. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { EmbeddedKafka } from "../../EmbeddedKafka.ts"
import type { BrokerError } from "../../KafkaError.ts"
import type { Cluster } from "./cluster.ts"
import { GROUP_ID_NOT_FOUND, Refused, UNKNOWN_MEMBER_ID } from "./codes.ts"
import { viewOfGroup } from "./groupViews.ts"
import type { GroupEntry } from "./groups/groupEntry.ts"

type Handles = Pick<EmbeddedKafka, "groups" | "commits" | "kick" | "moveCoordinator" | "expireOffsets" | "alterGroup">

/** Longer than any retention. */
const AT_ONCE = Number.NEGATIVE_INFINITY

export const groupHandles = (cluster: Cluster): Handles => {
  const { groups } = cluster

  /** Does something with a group that there is. */
  const withGroup = (
    request: string,
    group: string,
    run: (entry: GroupEntry, now: number) => Refused | undefined
  ): Effect.Effect<void, BrokerError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const entry = groups.store.find(group, now, true)
      const refused = entry === undefined ? new Refused(GROUP_ID_NOT_FOUND) : run(entry, now)
      groups.signalOf(group).notify()
      return refused === undefined ? Effect.void : Effect.fail(refused.toError(request, { group }))
    })

  return {
    groups: Effect.map(Clock.currentTimeMillis, (now) => {
      cluster.transactions.coordinator.run(now)
      const entries = [...groups.store.all(now)].sort((a, b) => (a.id < b.id ? -1 : 1))
      return new Map(entries.map((entry) => [entry.id, viewOfGroup(cluster, entry)]))
    }),
    commits: (group) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        cluster.transactions.coordinator.run(now)
        return groups.store.commits.of(group)
      }),
    kick: (group, memberId) =>
      withGroup("LeaveGroup", group, (entry, now) => {
        const isKicked = entry.kick(memberId, now)
        return isKicked ? undefined : new Refused(UNKNOWN_MEMBER_ID)
      }),
    moveCoordinator: (group, node, { loadingFor = 0 } = {}) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const refused = cluster.moveCoordinator(
          group,
          node,
          now + Duration.toMillis(Duration.fromInputUnsafe(loadingFor))
        )
        return refused === undefined ? Effect.void : Effect.fail(refused.toError("moveCoordinator", { group }))
      }),
    expireOffsets: (group) =>
      withGroup("expireOffsets", group, (entry, now) => {
        entry.changed(now, AT_ONCE)
        return undefined
      }),
    alterGroup: (group, { heartbeatInterval, sessionTimeout }) =>
      Effect.sync(() => {
        const millisOf = (input: Duration.Input | undefined) =>
          input === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(input))
        groups.store.configs.set(group, {
          sessionTimeoutMillis: millisOf(sessionTimeout),
          heartbeatIntervalMillis: millisOf(heartbeatInterval)
        })
      })
  }
}
