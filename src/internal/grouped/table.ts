/** A grouped table: a table by key, with a view that has its groups. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GroupedKafkaTable, GroupedKafkaTableOptions, GroupedSnapshot } from "../../GroupedKafkaTable.ts"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { AcquireError } from "../../KafkaTable.ts"
import { streamOf } from "../effect/v4/pushed.ts"
import { topicOf } from "../options/check.ts"
import { readGroupedTableOptions } from "../options/grouped.ts"
import { attach, publicationOf, scopeOfViews } from "../table/publication/attaching.ts"
import { acquire } from "../table/table.ts"
import { perVersion } from "../views/perVersion.ts"
import { groupedKeyOf } from "./groupedKey.ts"
import { type GroupedVersion, Groups } from "./groups.ts"
import { Snapshot } from "./snapshot.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/GroupedKafkaTable")

export const make = <G = string, M = string, V = never>(
  options: GroupedKafkaTableOptions<G, M, V>
): Effect.Effect<GroupedKafkaTable<G, M, V>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const { group: codec, member, ...config } = yield* readGroupedTableOptions(options)
    // The groups last as long as the table does, which ends them: until then each of its versions has them.
    const scope = yield* scopeOfViews
    const table = yield* acquire({ ...config, key: groupedKeyOf(codec, member) }, {})
    const input = publicationOf(table)
    const groups = new Groups<G, M, V>(input, codec)
    yield* Effect.provideService(attach(groups), Scope.Scope, scope)
    // The rows of this table are those of a grouped one.
    const unsafeSnapshot = perVersion(input, (version) => new Snapshot(version as GroupedVersion<G, M, V>, groups))
    const read = <A>(f: (snapshot: GroupedSnapshot<G, M, V>) => A): Effect.Effect<A> =>
      Effect.sync(() => f(unsafeSnapshot()))
    const grouped: GroupedKafkaTable<G, M, V> = {
      [TypeId]: TypeId,
      table,
      topic: table.topic,
      get: (group, member) => table.get({ group, member }),
      has: (group, member) => table.has({ group, member }),
      size: table.size,
      group: (group) => read((snapshot) => snapshot.group(group)),
      hasGroup: (group) => read((snapshot) => snapshot.hasGroup(group)),
      groupSize: (group) => read((snapshot) => snapshot.groupSize(group)),
      groups: read((snapshot) => snapshot.groups()),
      groupCount: read((snapshot) => snapshot.groupCount),
      snapshot: read((snapshot) => snapshot),
      unsafeSnapshot,
      watch: (group, member) => table.watch({ group, member }),
      watchGroup: (group) =>
        Stream.map(streamOf(groups.watchers.watch(groups.idOf(group))), (version) =>
          new Snapshot(version, groups).group(group)
        ),
      changes: table.changes,
      changesWith: table.changesWith,
      status: table.status,
      awaitCaughtUp: table.awaitCaughtUp,
      failure: table.failure,
      barrier: table.barrier,
      awaitPosition: table.awaitPosition,
      freshness: table.freshness,
      stats: table.stats,
      poison: table.poison,
      truncations: table.truncations
    }
    return grouped
  }).pipe(Effect.withSpan("GroupedKafkaTable.make", { attributes: topicOf(options) }))
