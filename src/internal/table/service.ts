/** The service that the users of a table get. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaTable } from "../../KafkaTable.ts"
import type { Indexes } from "../../TableIndex.ts"
import { liveTableOf } from "../views/liveTable.ts"
import { PLACE, type Placed, placeOf } from "./place.ts"
import type { TableParts } from "./reading/parts.ts"
import { snapshotAt } from "./snapshotAt.ts"
import { freshnessOf, statsOf } from "./stats.ts"
import { awaitCaughtUp, awaitPosition, barrier } from "./waiting.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaTable")

/** The property by which a table gives its parts to what is made beside it. */
const PARTS: unique symbol = Symbol.for("effect-ktables/TableParts")

/** The parts of a table that `serviceOf` has made; `undefined` if it has not, whatever the types say. */
export const partsOf = <K, V, Ix extends Indexes>(
  table: KafkaTable<K, V, Ix> | undefined
): TableParts<K, V> | undefined => (table as { readonly [PARTS]?: TableParts<K, V> } | undefined | null)?.[PARTS]

/** Makes the service of a table, which lives as long as its scope. */
export const serviceOf = <K, V>(
  parts: TableParts<K, V>,
  scope: Scope.Scope
): KafkaTable<K, V> & Placed & { readonly [PARTS]: TableParts<K, V> } => ({
  ...liveTableOf({ shown: parts.publication, key: parts.config.key, names: parts.indexes, scope }),
  [TypeId]: TypeId,
  [PARTS]: parts,
  [PLACE]: () => placeOf(parts),
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
