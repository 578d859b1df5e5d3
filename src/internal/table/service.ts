/** The service that the users of a table get. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaTable } from "../../KafkaTable.ts"
import { liveTableOf } from "../views/liveTable.ts"
import type { TableParts } from "./reading/parts.ts"
import { snapshotAt } from "./snapshotAt.ts"
import { freshnessOf, statsOf } from "./stats.ts"
import { awaitCaughtUp, awaitPosition, barrier } from "./waiting.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaTable")

/** Makes the service of a table, which lives as long as its scope. */
export const serviceOf = <K, V>(parts: TableParts<K, V>, scope: Scope.Scope): KafkaTable<K, V> => ({
  ...liveTableOf({ shown: parts.publication, key: parts.config.key, names: parts.indexes, scope }),
  [TypeId]: TypeId,
  topic: parts.config.topic,
  status: parts.statuses.ref,
  awaitCaughtUp: (options) => awaitCaughtUp(parts, options),
  failure: Deferred.await(parts.failed),
  barrier: (options) => barrier(parts, options),
  awaitPosition: (position, options) => awaitPosition(parts, position, options),
  freshness: Effect.map(Clock.currentTimeMillis, (now) => freshnessOf(parts, now)),
  snapshotAt: (when) => snapshotAt(parts, when),
  stats: Effect.sync(() => statsOf(parts)),
  poison: parts.poison.stream,
  truncations: parts.truncations.stream
})
