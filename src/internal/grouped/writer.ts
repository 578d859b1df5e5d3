/** The writer of a grouped table: a table's writer by keys of two parts. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { GroupedKafkaTableWriter, GroupedKafkaTableWriterOptions } from "../../GroupedKafkaTableWriter.ts"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { AcquireError } from "../../KafkaTableWriter.ts"
import { topicOf } from "../options/check.ts"
import { readGroupedWriterOptions } from "../options/grouped.ts"
import { acquire, mapIterable } from "../writer/writer.ts"
import { groupedKeyOf } from "./groupedKey.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/GroupedKafkaTableWriter")

export const make = <G = string, M = string, V = never>(
  options: GroupedKafkaTableWriterOptions<G, M, V>
): Effect.Effect<GroupedKafkaTableWriter<G, M, V>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const { group, member, ...config } = yield* readGroupedWriterOptions(options)
    const writer = yield* acquire({ ...config, key: groupedKeyOf(group, member) })
    const grouped: GroupedKafkaTableWriter<G, M, V> = {
      [TypeId]: TypeId,
      topic: writer.topic,
      set: (group, member, value, options) => writer.set({ group, member }, value, options),
      delete: (group, member, options) => writer.delete({ group, member }, options),
      setMany: (entries) =>
        writer.setMany(mapIterable(entries, ([group, member, value]) => [{ group, member }, value] as const)),
      deleteMany: (members) => writer.deleteMany(mapIterable(members, ([group, member]) => ({ group, member }))),
      announce: (group, member, value, options) => writer.announce({ group, member }, value, options),
      flush: writer.flush,
      stats: writer.stats
    }
    return grouped
  }).pipe(Effect.withSpan("GroupedKafkaTableWriter.make", { attributes: topicOf(options) }))
