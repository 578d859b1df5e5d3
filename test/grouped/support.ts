/** Grouped tables on a cluster in memory, and what is right, by means other than theirs. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Codec, EmbeddedKafka, GroupedKafkaTable, GroupedKafkaTableWriter, KafkaClient } from "../../src/index.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"

export const topic = "members"

/** The key of a member, as ktables' `LengthPrefixedKeyCodec` makes it. */
export const keyOf = (group: string, member: string): string => `${Array.from(group).length}:${group}${member}`

export type Table = GroupedKafkaTable.GroupedKafkaTable<string, string, string>
export type Snapshot = GroupedKafkaTable.GroupedSnapshot<string, string, string>

export const options = { topic, value: Codec.utf8 }

export const open: Effect.Effect<Table, unknown, KafkaClient.KafkaClient | Scope.Scope> = GroupedKafkaTable.make<
  string,
  string,
  string
>(options)

export const openWriter = GroupedKafkaTableWriter.make<string, string, string>(options)

/** A body on a cluster of its own, with a topic of its own. */
export const onCluster = <A, E>(
  body: (
    kafka: EmbeddedKafka.EmbeddedKafka
  ) => Effect.Effect<A, E, EmbeddedKafka.EmbeddedKafka | KafkaClient.KafkaClient | Scope.Scope>,
  partitions = 1
) =>
  Effect.gen(function* () {
    const kafka = yield* EmbeddedKafka.EmbeddedKafka
    const configs = { "cleanup.policy": "compact", "delete.retention.ms": "60000" }
    yield* kafka.createTopic(topic, { partitions, configs })
    return yield* body(kafka)
  }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()), withoutLogs)

/** Members with their values; `null` deletes one. */
export type Writes = ReadonlyArray<readonly [group: string, member: string, value: string | null]>

/** Writes members, and waits until the table has them. */
export const write = (kafka: EmbeddedKafka.EmbeddedKafka, table: Table, writes: Writes) =>
  Effect.flatMap(
    kafka.append(
      topic,
      writes.map(([group, member, value]) => ({ key: keyOf(group, member), value }))
    ),
    (positions) => table.awaitPosition(positions)
  )

export type Groups = ReadonlyMap<string, ReadonlyMap<string, string>>

/** Groups after some writes, naively. */
export const after = (before: Groups, writes: Writes): Groups => {
  const all = new Map(Array.from(before, ([group, members]) => [group, new Map(members)]))
  for (const [group, member, value] of writes) {
    const members = all.get(group) ?? new Map<string, string>()
    if (value === null) members.delete(member)
    else members.set(member, value)
    if (members.size === 0) all.delete(group)
    else all.set(group, members)
  }
  return all
}

/** Groups as plain data, in an order of their own. */
export const plain = (
  groups: Groups
): ReadonlyArray<readonly [group: string, members: ReadonlyArray<readonly [member: string, value: string]>]> =>
  Array.from(groups, ([group, members]) => [group, Array.from(members).sort()] as const).sort()
