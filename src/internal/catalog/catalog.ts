/** Acquires a catalog: the table of its log, the view of that which has one row for each record, and what writes. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { AcquireError, Catalog, CatalogKeys, CatalogOptions, CatalogSnapshot, Identity } from "../../Catalog.ts"
import type { KafkaClient } from "../../KafkaClient.ts"
import { BrokerError, InvalidOptionsError, InvalidRecordError } from "../../KafkaError.ts"
import type { RecordEntry, TableSnapshot } from "../../TableSnapshot.ts"
import * as Client from "../client/client.ts"
import { bytes } from "../codec/plain.ts"
import type { OptionCheck } from "../options/check.ts"
import { readCatalogOptions } from "../options/catalog.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { attach, attachAll, publicationOf, scopeOfViews } from "../table/publication/attaching.ts"
import * as Table from "../table/table.ts"
import { define } from "../views/definition.ts"
import { indexViews } from "../views/indexes.ts"
import { liveTableOf } from "../views/liveTable.ts"
import { TableIndexes } from "../views/lookups.ts"
import type { QueryGiven } from "../views/query.ts"
import { faceOf } from "../views/snapshot.ts"
import * as Writer from "../writer/writer.ts"
import { fieldOf, fieldsOf, folded, identify } from "./configuration.ts"
import { conditionsOf, type Where } from "./filter.ts"
import { ensureKept } from "./keeping.ts"
import { type CandidateKey, candidateCodec, identityBytes, identityCodec, partitionOf } from "./keys.ts"
import { lockCheckOf } from "./lock.ts"
import { type Log, RecordsView } from "./records.ts"
import { claimable, type Claimed } from "./values.ts"
import { refusals, Writes, type Writing } from "./writes.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/Catalog")

/** Keys that nobody can change any more. */
export const locked = <RK extends string, IK extends string>(
  keys: CatalogKeys<RK, IK> | undefined
): CatalogKeys<RK, IK> | undefined => {
  if (!Array.isArray(keys?.indexKeys)) return keys
  return Object.freeze({ ...keys, indexKeys: Object.freeze([...(keys.indexKeys as ReadonlyArray<IK>)]) })
}

/** What of a catalog was configured. */
export interface Configured {
  readonly table?: string
  readonly topic?: string
  readonly rowKey?: string
  readonly indexKeys?: ReadonlyArray<string> | string
  readonly log?: "compacted" | "forever"
  readonly recoverFrom?: number
}

/** A name as it was configured: spaces around it are no part of it. */
const nameOf = (given: unknown): unknown => (typeof given === "string" ? given.trim() : given)

/** Names as they were configured: a list, or text with commas. */
const namesOf = (given: ReadonlyArray<string> | string | undefined): ReadonlyArray<string> | undefined => {
  const list: unknown = typeof given === "string" ? given.split(",") : given
  return (Array.isArray(list) ? list.map(nameOf) : list) as ReadonlyArray<string> | undefined
}

/** Notes what is wrong with keys. */
const checkKeys = (check: OptionCheck, keys: CatalogKeys | undefined): void => {
  const { indexKeys, rowKey } = (keys ?? {}) as Partial<CatalogKeys>
  const isName = (name: unknown) => typeof name === "string" && name.trim() !== ""
  const problem = "must be the name of a field"
  if (!isName(rowKey)) check.problem("rowKey", problem)
  if (!Array.isArray(indexKeys) || indexKeys.length === 0) {
    check.problem("indexKeys", "must name one field or more")
    return
  }
  indexKeys.forEach((name: unknown, i) => {
    const option = `indexKeys[${i}]`
    if (!isName(name)) check.problem(option, problem)
    else if (name === rowKey) check.problem(option, "is the row key, too")
    else if (indexKeys.indexOf(name) < i) check.problem(option, "is there twice")
  })
}

export const make = <R, RK extends string, IK extends string>(
  given: CatalogKeys<RK, IK> | undefined,
  options: CatalogOptions<R>
): Effect.Effect<Catalog<R, RK, IK>, AcquireError, KafkaClient | Scope.Scope> => makeConfigured(given, {}, options)

export const makeConfigured = <R, RK extends string, IK extends string>(
  given: CatalogKeys<RK, IK> | undefined,
  { indexKeys, rowKey, ...names }: Configured,
  options: CatalogOptions<R>
): Effect.Effect<Catalog<R, RK, IK>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Client.tag
    const [row, list] = [nameOf(rowKey), namesOf(indexKeys)]
    // Keys from configuration are known to be those of the type when they are asked for.
    const keys = locked(given ?? ({ rowKey: row, indexKeys: list } as unknown as CatalogKeys<RK, IK>))!
    const setup = yield* readCatalogOptions(options, names, (check) => {
      checkKeys(check, keys)
      if (given === undefined) return
      const problem = "is configured, but the keys are those of the tag"
      if (row !== undefined && row !== given.rowKey) check.problem("rowKey", problem)
      if (list !== undefined && !isSame(list, given.indexKeys)) check.problem("indexKeys", problem)
    })
    const { topic } = setup
    const value = claimable(options.value)
    const reading = { ...setup.reading, topic, key: candidateCodec, value }
    const scope = yield* scopeOfViews
    const table = yield* Table.make<CandidateKey, R | Claimed>(reading)
    if (setup.keeping !== undefined) yield* ensureKept(client, setup)
    const writing = { ...setup.writing, topic, key: bytes, value, partitioner: partitionOf, ensureTopic: false }
    const writer = setup.isReadOnly
      ? undefined
      : yield* Effect.mapError(Writer.make<Uint8Array, R | Claimed>(writing), withReadOnlyHint)
    const indexes = new TableIndexes(topic)
    const face = faceOf<Identity, R, RecordEntry<Identity, R>>(indexes)
    // The publication of a table shows what a live table shows.
    const log = publicationOf(table) as Log
    const records = yield* RecordsView.make<R>(log, setup.recoverFrom, face)
    yield* Effect.provideService(attach(records), Scope.Scope, scope)
    for (const [name, view] of indexViews(records.output, indexesOf(keys))) indexes.set(name, view)
    yield* Effect.provideService(attachAll([...indexes.values()]), Scope.Scope, scope)
    const checkLock = lockCheckOf(topic, keys, records)
    yield* checkLock
    const writes: Writing<R> =
      writer === undefined
        ? refusals(topic)
        : new Writes<R>({ topic, keys, table, writer, records, checkLock, scope: yield* Effect.scope })

    const { awaitCaughtUp, awaitPosition, barrier, failure, freshness, poison, stats, status } = table
    const own = { awaitCaughtUp, awaitPosition, barrier, failure, freshness, status }
    const live = { ...liveTableOf({ shown: records.output, key: identityCodec, names: indexes, scope }), ...own }
    const find = (filter: Where): ReadonlyArray<RecordEntry<Identity, R>> =>
      entriesOf(records.output.snapshot, keys, conditionsOf(topic, keys, filter))
    const identity = (fields: unknown): Effect.Effect<Identity, InvalidRecordError> =>
      Effect.suspend(() => {
        const found = identify(topic, keys, fields)
        return found instanceof InvalidRecordError ? Effect.fail(found) : Effect.succeed(found)
      })
    const catalog: Catalog<R, RK, IK> = {
      [TypeId]: TypeId,
      topic,
      keys,
      insert: (record) => writes.insert(record),
      find: (fields) => Effect.flatMap(identity(fields), (key) => live.get(key)),
      query: (filter) => asked(() => Effect.succeed(find(filter).map(({ value }) => value))),
      delete: (filter) =>
        asked(() => {
          const where = conditionsOf(topic, keys, filter)
          return writes.delete(() =>
            entriesOf(records.output.snapshot, keys, where).map(({ key }) => identityBytes(key))
          )
        }),
      identity,
      size: live.size,
      snapshot: Effect.map(live.snapshot, (snapshot) => snapshotOf(snapshot, topic, keys)),
      table: live,
      changes: live.changes,
      status,
      awaitCaughtUp,
      barrier,
      stats,
      poison
    }
    return catalog
  }).pipe(Effect.withSpan("Catalog.make"))

/** Tells whoever may not write of what needs no right to do so. What the writer says of idempotence is no option here. */
const withReadOnlyHint = <E extends { readonly _tag: string }>(error: E | BrokerError): E | BrokerError =>
  error instanceof BrokerError && error.reason === "Unauthorized"
    ? brokerError({
        ...error,
        detail:
          "a catalog needs WRITE on its topic, and before Kafka 2.8 IDEMPOTENT_WRITE on the cluster, unless it is readOnly"
      })
    : error

const isSame = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  JSON.stringify([...a].sort()) === JSON.stringify([...b].sort())

/**
 * The indexes of the fields that are keys, by the names of these. The row key is that of the log's key, so that each record is
 * in the order of all, also where its payload does not have it any more.
 */
const indexesOf = (keys: CatalogKeys) =>
  define<Identity, unknown>()((index) => {
    const foldedIn = (record: unknown, field: string) => {
      const value = fieldOf(record, field)
      return typeof value === "string" ? folded(value) : undefined
    }
    return Object.fromEntries(
      fieldsOf(keys).map((field) => [
        field,
        field === keys.rowKey
          ? index.sorted((_record, { rowKey }) => rowKey)
          : index.hash((record) => foldedIn(record, field))
      ])
    )
  })

/** What holds for all conditions, in the order of the row keys. */
const entriesOf = <R>(
  snapshot: TableSnapshot<Identity, R, RecordEntry<Identity, R>>,
  { rowKey }: CatalogKeys,
  where: Where
): ReadonlyArray<RecordEntry<Identity, R>> => {
  // The indexes are those of no type.
  const options: QueryGiven = { orderBy: rowKey }
  return snapshot.query(where, options as never)
}

const snapshotOf = <R, RK extends string, IK extends string>(
  snapshot: TableSnapshot<Identity, R, RecordEntry<Identity, R>>,
  topic: string,
  keys: CatalogKeys
): CatalogSnapshot<R, RK, IK> => ({
  version: snapshot.version,
  size: snapshot.size,
  query: (filter) => entriesOf(snapshot, keys, conditionsOf(topic, keys, filter)).map(({ value }) => value),
  entries: snapshot
})

/** Runs what may throw for a filter: that may come from outside, so it is a failure. */
const asked = <A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E | InvalidOptionsError> =>
  Effect.suspend((): Effect.Effect<A, E | InvalidOptionsError> => {
    try {
      return run()
    } catch (thrown) {
      return thrown instanceof InvalidOptionsError ? Effect.fail(thrown) : Effect.die(thrown)
    }
  })
