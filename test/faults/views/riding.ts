/**
 * What rides along with a load on a table: views of it, joined with a grouped table of another topic; a copy that follows
 * it by the feeds of two processes; what it showed before; a table of the same topic whose rows expire; a catalog. They have
 * clients of their own, but for the table itself.
 *
 * All of it is looked at again and again by itself; what it has come to in the end is evidence, as plain data, to be judged by
 * the logs.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { KafkaTable } from "../../../src/index.ts"
import { tableOn } from "../../contract/suite.ts"
import { until } from "../../kafka/process.ts"
import type { ReadRecord } from "../../kafka/records.ts"
import type { Held } from "../history.ts"
import { client, type ClientOptions, type Lab } from "../lab.ts"
import type { Load } from "../load.ts"
import { differences, Findings, lastWriteWins, RECOVERY_LIMIT_MILLIS, type Violation } from "../oracle.ts"
import type { Table } from "../Witness.ts"
import { CopyWitness, replica } from "./copies.ts"
import { judgeCatalog, rightOf, type CatalogEvidence } from "./catalogOracle.ts"
import * as Catalogs from "./catalogs.ts"
import { ExpiringWitness, judgeExpiring, LIFE_MILLIS, type TimedRead } from "./expiring.ts"
import { followedTable } from "./followers.ts"
import * as Groups from "./groups.ts"
import { make as makeViews } from "./made.ts"
import { PastWitness } from "./past.ts"
import { ViewWitness } from "./ViewWitness.ts"

/** The client ids of what rides along. */
export const clientIds = ["companion", "other"]

/** What the table has to keep. */
export const history = { versions: 300 }

const LOOK_MILLIS = 100

/** The topics besides that of the table. */
export interface Topics {
  readonly groups: string
  readonly catalog: string
}

export const topicsBeside = (topic: string): Topics => ({ groups: `${topic}-groups`, catalog: `${topic}-catalog` })

interface Options {
  readonly lab: Pick<Lab, "brokers">
  readonly topics: Topics
  /** With `history`. */
  readonly table: Table
  readonly load: Pick<Load, "operations">
  readonly random: () => number
  readonly settings?: KafkaTable.TableSettings
  readonly client?: ClientOptions
  /** Whether the clock only goes forward: then rows expire, too. */
  readonly isClockSteady?: boolean
}

/** The committed logs. */
export interface Logs {
  readonly table: ReadonlyArray<ReadRecord>
  readonly groups: ReadonlyArray<ReadRecord>
  readonly catalog: ReadonlyArray<ReadRecord>
}

/** Plain data. */
export interface Evidence {
  readonly found: ReadonlyArray<Violation>
  /** What there is no evidence of. */
  readonly gaps: ReadonlyArray<string>
  readonly groups: ReadonlyArray<Held>
  readonly catalog: CatalogEvidence
  readonly expiring: ReadonlyArray<TimedRead>
}

export interface Riding {
  /** Ends the load besides that on the table, and returns when what was under way has ended. */
  readonly pause: Effect.Effect<void>
  /**
   * Ends all that watches, when all is what the logs say, or the time for that is up; without logs, when all has been read.
   * What is watched goes on, but for what expires.
   */
  readonly finish: (logs: Logs | undefined) => Effect.Effect<Evidence>
}

export const start = ({
  client: clientOptions = {},
  isClockSteady = true,
  lab,
  load,
  random,
  settings,
  table,
  topics
}: Options): Effect.Effect<Riding, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const own = yield* Scope.fork(outer, outer.strategy)
    const [companion, other] = yield* Effect.forEach(clientIds, (clientId) =>
      client(lab, clientId, { ...clientOptions, clientId })
    )
    const second = tableOn(companion, table.topic, { ...settings, history })
    const expiring = tableOn(companion, table.topic, { ...settings, expireAfter: LIFE_MILLIS })
    const opened = yield* Effect.all(
      {
        others: Groups.openTable(companion, topics.groups),
        writer: Groups.openWriter(companion, topics.groups, { requestTimeout: "2 seconds", deliveryTimeout: "5 seconds" }),
        catalog: Catalogs.open(companion, topics.catalog),
        catalogElsewhere: Catalogs.open(other, topics.catalog),
        second: Scope.provide(second, own),
        expiring: Scope.provide(expiring, own)
      },
      { concurrency: "unbounded" }
    )
    return yield* Scope.provide(watch(opened), own)

    function watch({ catalog, catalogElsewhere, expiring, others, second, writer }: typeof opened) {
      return Effect.gen(function* () {
        const witness = new ViewWitness()
        const { findings } = witness
        const operations: Array<Catalogs.CatalogOperation> = []
        const catalogs = new Map([
          ["catalog", catalog],
          ["catalog elsewhere", catalogElsewhere]
        ])
        let isStopped = false
        let stock = 0
        const insertAndDelete = Catalogs.write(
          catalogs,
          operations,
          random,
          () => isStopped,
          () => stock++
        )
        const writing = yield* Effect.forEach(
          [
            Groups.write(writer, random, () => isStopped),
            insertAndDelete,
            insertAndDelete
          ],
          (one) => Effect.forkScoped(one)
        )

        yield* witness.watch(yield* Scope.provide(makeViews(table, others), outer))
        for (const [name, one] of catalogs) yield* witness.follow(followedTable(name, one.table))
        const looks = Effect.forEach([...catalogs], ([name, one]) => Catalogs.look(name, one, findings))
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(looks, Effect.sleep(LOOK_MILLIS))))
        const watcher = new Groups.GroupWatcher(others)
        yield* watcher.watch
        const replicas = [yield* replica("reader", table), yield* replica("second", second)]
        const copy = new CopyWitness(replicas, findings, random)
        yield* Effect.forkScoped(copy.watch)
        const past = new PastWitness(table, () => load.operations, findings, isClockSteady)
        yield* Effect.forkScoped(past.watch)
        const rows = new ExpiringWitness(expiring)
        if (isClockSteady) yield* rows.watch

        const contentOfCatalogs = () =>
          new Map(Array.from(catalogs, ([name, one]) => [name, Catalogs.contentOf(one)] as const))
        /** Whether all is what the logs say. */
        const isSettled = (logs: Logs) =>
          Effect.map(
            isClockSteady ? rows.isSettled(logs.table) : Effect.succeed(true),
            (isExpired) =>
              isExpired &&
              watcher.isSettled &&
              differences(Groups.contentOf(others), lastWriteWins(logs.groups)).length === 0 &&
              isSame(
                [...contentOfCatalogs().values()],
                [...catalogs].map(() => rightOf(logs.catalog))
              )
          )
        const barriers = Effect.forEach([others, catalog, catalogElsewhere, second], (one) => Effect.exit(one.barrier()))
        const riding: Riding = {
          pause: Effect.suspend(() => {
            isStopped = true
            return Effect.asVoid(Fiber.awaitAll(writing))
          }),
          finish: (logs) =>
            Effect.gen(function* () {
              if (logs === undefined) yield* barriers
              else yield* until(isSettled(logs), { within: RECOVERY_LIMIT_MILLIS, every: "20 millis" })
              if (isClockSteady && logs !== undefined && !(yield* rows.isSettled(logs.table))) {
                findings.add(16, "in the end, the rows are not those whose time is still to come")
              }
              yield* witness.settle
              yield* Effect.exit(copy.settle)
              if (!watcher.isSettled) findings.add(17, "who watches a group was not told what it is in the end")
              const evidence: Evidence = {
                found: findings.list,
                gaps: [...witness.gaps, ...copy.gaps, ...past.gaps, ...(operations.length > 0 ? [] : ["a catalog"])],
                groups: Groups.contentOf(others),
                catalog: { operations, contents: contentOfCatalogs() },
                expiring: rows.reads
              }
              yield* Scope.close(own, Exit.void)
              return evidence
            })
        }
        return riding
      })
    }
  })

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Judges it by the logs; `everything` is that of the table with what was removed from it meanwhile. */
export const judge = (
  { catalog, expiring, found, groups }: Evidence,
  logs: Logs,
  everything: ReadonlyArray<ReadRecord>
): ReadonlyArray<Violation> => {
  const findings = new Findings()
  for (const what of differences(groups, lastWriteWins(logs.groups))) findings.add(17, `groups: ${what}`)
  judgeCatalog(catalog, logs.catalog, findings)
  judgeExpiring(expiring, logs.table, everything, findings)
  return [...found, ...findings.list]
}
