/**
 * What rides along with a load on a table: views of it, joined with a grouped table of another topic; a copy that follows
 * it by the feeds of two processes; what it showed before; a table of the same topic whose rows expire; a catalog.
 *
 * All of it is looked at again and again by itself. What it has come to in the end is evidence, for `verdict.ts`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Scope from "effect/Scope"
import type { KafkaClient, KafkaTable } from "../../../src/index.ts"
import { tableOn } from "../../contract/suite.ts"
import { heldWithin } from "../../support/ownTime.ts"
import type { Load } from "../load.ts"
import { differences, lastWriteWins, RECOVERY_LIMIT_MILLIS } from "../oracle.ts"
import type { Table } from "../Witness.ts"
import { rightOf } from "./catalogOracle.ts"
import * as Catalogs from "./catalogs.ts"
import { CopyWitness, replica, type Feed } from "./copies.ts"
import { ExpiringWitness, LIFE_MILLIS } from "./expiring.ts"
import { followedTable } from "./followers.ts"
import * as Groups from "./groups.ts"
import { make as makeViews, type Others, type Views } from "./made.ts"
import { PastWitness } from "./past.ts"
import type { Evidence, Logs, Topics } from "./verdict.ts"
import { paced, ViewWitness } from "./ViewWitness.ts"

/** The names of its clients: those of the table are not among them. */
export const clientIds = ["companion", "other"] as const

/** What the table has to keep. */
export const history = { versions: 300 }

const CATALOG_LOOK_MILLIS = 100

/** What is put in the place of something, to be broken on purpose. */
export interface Changes {
  readonly views: (views: Views) => Views
  readonly feed: (feed: Feed) => Feed
  readonly others: (others: Others) => Others
  readonly catalog: (catalog: Catalogs.PartCatalog) => Catalogs.PartCatalog
  readonly expiring: (table: Table) => Table
}

interface Options {
  /** A client of its own by this name. */
  readonly connect: (
    clientId: (typeof clientIds)[number]
  ) => Effect.Effect<KafkaClient.KafkaClient, unknown, Scope.Scope>
  readonly topics: Topics
  /** With `history`. */
  readonly table: Table
  readonly load: Pick<Load, "operations">
  readonly random: () => number
  /** Of other tables of the same topic. */
  readonly settings?: KafkaTable.TableSettings
  /** Default: true. Where the clock is set, nobody can say when a row is due. */
  readonly isClockSteady?: boolean
  readonly changes?: Partial<Changes>
  /** How long all may take to become what the logs say, of the process's own time. Default: as long as a table may. */
  readonly withinMillis?: number
}

const writerSettings = { requestTimeout: "2 seconds", deliveryTimeout: "5 seconds" } as const

/** Opens all that is no view of the table. `own` is closed when it is over. */
const open = ({ changes = {}, connect, settings, table, topics }: Options, own: Scope.Scope) =>
  Effect.gen(function* () {
    const [companion, other] = yield* Effect.forEach(clientIds, connect)
    const { catalog = identity, expiring = identity, others = identity } = changes
    // What is denied is tried again as often as by the table that it rides along with.
    const retrying =
      settings?.deniedRetryInterval === undefined ? {} : { deniedRetryInterval: settings.deniedRetryInterval }
    const catalogOf = (client: KafkaClient.KafkaClient) =>
      Effect.map(Catalogs.open(client, topics.catalog, retrying), catalog)
    const another = (more: KafkaTable.TableSettings) =>
      Scope.provide(tableOn(companion, table.topic, { ...settings, ...more }), own)
    return yield* Effect.all(
      {
        others: Effect.map(Groups.openTable(companion, topics.groups, retrying), others),
        writer: Groups.openWriter(companion, topics.groups, writerSettings),
        here: catalogOf(companion),
        elsewhere: catalogOf(other),
        second: another({ history }),
        expiring: Effect.map(another({ expireAfter: LIFE_MILLIS }), expiring)
      },
      { concurrency: "unbounded" }
    )
  })

type Opened = Effect.Success<ReturnType<typeof open>>

export interface Progress {
  readonly looks: ReadonlyArray<number>
  readonly groupWrites: number
}

export class Riding {
  private isStopped = false
  private readonly witness = new ViewWitness()
  private readonly operations: Array<Catalogs.CatalogOperation> = []
  private readonly catalogs: ReadonlyMap<string, Catalogs.PartCatalog>
  private readonly watcher: Groups.GroupWatcher
  private readonly rows: ExpiringWitness
  private readonly past: PastWitness
  private readonly isClockSteady: boolean
  private copy: CopyWitness | undefined
  private writing: ReadonlyArray<Fiber.Fiber<void>> = []
  private groupWrites = 0

  private constructor(
    private readonly options: Options,
    private readonly opened: Opened,
    /** What watches, and what is opened besides only for that. */
    private readonly own: Scope.Closeable
  ) {
    const { isClockSteady = true, load, table } = options
    this.isClockSteady = isClockSteady
    this.catalogs = new Map([
      ["catalog", opened.here],
      ["catalog elsewhere", opened.elsewhere]
    ])
    this.watcher = new Groups.GroupWatcher(opened.others)
    this.rows = new ExpiringWitness(opened.expiring)
    this.past = new PastWitness(table, () => load.operations, this.witness.findings, isClockSteady)
  }

  /** Opens all of it, for as long as the scope is open, and begins. */
  static start(options: Options): Effect.Effect<Riding, unknown, Scope.Scope> {
    return Effect.gen(function* () {
      const { changes = {}, table } = options
      const outer = yield* Effect.scope
      const own = yield* Scope.fork(outer, outer.strategy)
      const riding = new Riding(options, yield* open(options, own), own)
      const views = yield* makeViews(table, riding.opened.others)
      // Who watches is there before there is something to see: one that is told only once is told of too little then.
      yield* Scope.provide(riding.watch(changes.views?.(views) ?? views), own)
      yield* Scope.provide(riding.write, own)
      return riding
    })
  }

  private get write(): Effect.Effect<void, never, Scope.Scope> {
    const { catalogs, operations } = this
    const { random } = this.options
    const isStopped = () => this.isStopped
    let stock = 0
    const catalog = Catalogs.write({ catalogs, operations, random, isStopped, nextStock: () => stock++ })
    const groups = Groups.write(this.opened.writer, random, { isStopped, onWrite: () => void this.groupWrites++ })
    const all = [groups, catalog, catalog]
    return Effect.map(
      Effect.forEach(all, (one) => Effect.forkScoped(one)),
      (fibers) => {
        this.writing = fibers
      }
    )
  }

  private watch(views: Views): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { catalogs, opened, witness } = this
      const { changes = {}, random, table } = this.options
      yield* witness.watch(views)
      for (const [name, { table }] of catalogs) yield* witness.follow(followedTable(name, table))
      const looks = Effect.forEach([...catalogs], ([name, one]) => Catalogs.look(name, one, witness.findings))
      yield* witness.keep(paced(looks, CATALOG_LOOK_MILLIS))
      yield* witness.keep(this.watcher.watch)
      const { feed = identity } = changes
      const replicas = [yield* replica("reader", table, feed), yield* replica("second", opened.second, feed)]
      this.copy = new CopyWitness(replicas, witness.findings, random)
      yield* witness.keep(this.copy.watch)
      yield* witness.keep(this.past.watch)
      if (this.isClockSteady) yield* witness.keep(this.rows.watch)
    })
  }

  /** How much there is of each kind of evidence. */
  get progress(): Progress {
    const { copy, groupWrites, operations, past, rows, witness } = this
    const looks = [witness.looks, copy!.compared, copy!.resumed, past.writes, rows.reads.length, operations.length]
    return { looks, groupWrites }
  }

  /** Ends the load besides that on the table, and returns when what was under way has ended. */
  readonly pause: Effect.Effect<void> = Effect.suspend(() => {
    this.isStopped = true
    return Effect.asVoid(Fiber.awaitAll(this.writing))
  })

  private get contentsOfCatalogs(): ReadonlyMap<string, ReadonlyArray<string>> {
    return new Map(Array.from(this.catalogs, ([name, one]) => [name, Catalogs.contentOf(one)] as const))
  }

  /** Where the rows that expire are not those whose time is still to come, by the log. */
  private late(logs: Logs): Effect.Effect<ReadonlyArray<string>> {
    return this.isClockSteady ? this.rows.differences(logs.table) : Effect.succeed([])
  }

  /** Whether all but the rows that expire is what the logs say. */
  private isSettled(logs: Logs): boolean {
    const right = rightOf(logs.catalog).join("\n")
    return (
      [...this.contentsOfCatalogs.values()].every((rows) => rows.join("\n") === right) &&
      differences(Groups.contentOf(this.opened.others), lastWriteWins(logs.groups)).length === 0 &&
      this.isTold
    )
  }

  /** Whether all who follow know what is shown: they may be a moment behind. */
  private get isTold(): boolean {
    return this.watcher.isSettled && this.witness.isSettled
  }

  /** Without logs: all that was acknowledged has been read. */
  private get barriers(): Effect.Effect<void> {
    const { elsewhere, here, others, second } = this.opened
    return Effect.forEach([others, here, elsewhere, second], (one) => Effect.exit(one.barrier()), { discard: true })
  }

  /**
   * Ends all that watches, when all is what the logs say, or the time for that is up; without logs, when all has been read.
   * What is watched goes on, but for what was opened only for that.
   */
  finish(logs: Logs | undefined): Effect.Effect<Evidence> {
    return Effect.gen({ self: this }, function* () {
      const { copy, operations, own, past, rows, watcher, witness } = this
      const { withinMillis = RECOVERY_LIMIT_MILLIS } = this.options
      const { findings } = witness
      const eventually = (holds: Effect.Effect<boolean>) => heldWithin(holds, withinMillis)
      if (logs === undefined) {
        yield* this.barriers
        yield* eventually(Effect.sync(() => this.isTold))
      } else {
        // By and by rows become due, so this is waited for by itself.
        const isInTime = yield* eventually(Effect.map(this.late(logs), (late) => late.length === 0))
        if (!isInTime) for (const what of yield* this.late(logs)) findings.add(16, `expiring, in the end: ${what}`)
        yield* eventually(Effect.sync(() => this.isSettled(logs)))
      }
      yield* Effect.exit(copy!.settle(withinMillis))
      if (!watcher.isSettled) findings.add(17, "who watches a group was not told what it is in the end")
      witness.finish()
      yield* Scope.close(own, Exit.void)
      return {
        found: findings.list,
        gaps: [...witness.gaps, ...copy!.gaps, ...past.gaps, ...(operations.length > 0 ? [] : ["a catalog"])],
        groups: Groups.contentOf(this.opened.others),
        catalog: { operations, contents: this.contentsOfCatalogs },
        expiring: rows.reads
      }
    })
  }
}
