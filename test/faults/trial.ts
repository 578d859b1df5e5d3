/**
 * A fault under load, and the oracle's verdict on it.
 *
 * A topic with tables and writers that are busy; the fault, with its healing; then the load ends, Kafka's own consumer reads the
 * log (committed records only, with checksums), everything is closed, and the invariants are checked.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import type { KafkaTable, LiveTable, KafkaTableWriter } from "../../src/index.ts"
import type * as JavaClient from "../kafka/JavaClient.ts"
import { topicName } from "../kafka/realKafka.ts"
import type { ReadRecord } from "../kafka/records.ts"
import { leftovers } from "../support/leftovers.ts"
import { collect, eventually, recordLogs } from "../support/live.ts"
import { heldWithin, timed } from "../support/ownTime.ts"
import { randomOf } from "../support/random.ts"
import { complaints } from "./complaints.ts"
import type { Operation } from "./history.ts"
import { client, type ClientOptions, type Lab } from "./lab.ts"
import { proberSettings, start as startLoad, writerSettings, type Load, type Writer } from "./load.ts"
import { compacted, openTable, openWriter } from "./openings.ts"
import {
  differences,
  IDLE_CPU_LIMIT,
  invariants,
  lastWriteWins,
  missing,
  processViolations,
  RECOVERY_LIMIT_MILLIS,
  union,
  violations,
  type Evidence,
  type Violation
} from "./oracle.ts"
import { probe } from "./probe.ts"
import * as report from "./report.ts"
import type { Covers, Scenario } from "./rows.ts"
import { LOAD } from "./settings.ts"
import * as Riding from "./views/riding.ts"
import * as Verdict from "./views/verdict.ts"
import { Witness, type Table } from "./Witness.ts"

/** What a fault has at hand. */
export interface World {
  readonly lab: Lab
  readonly topic: string
  readonly random: () => number
  /** Client id "reader". */
  readonly table: Table
  /** Of the table, from its beginning. */
  readonly statuses: ReadonlyArray<LiveTable.TableStatus["_tag"]>
  readonly writers: ReadonlyMap<string, Writer>
  readonly load: Load
  /** The topics of what rides along: see `views/riding.ts`. */
  readonly beside: Verdict.Topics
  /** The library's log. */
  readonly lines: ReadonlyArray<string>
  /**
   * One more table, until the end; its client id is its name. It is judged like the first one. `targets`: what it must
   * reach before it may call itself caught up, where Kafka cannot be asked for that now.
   */
  readonly open: (
    name: string,
    settings?: KafkaTable.TableSettings,
    targets?: ReadonlyMap<number, number>
  ) => Effect.Effect<Table, KafkaTable.AcquireError>
  /** Where the partitions end now. */
  readonly ends: Effect.Effect<ReadonlyMap<number, number>>
  /** Waits until so many more writes are acknowledged; as many as `FAULT_LOAD` says by default. */
  readonly busy: (writes?: number) => Effect.Effect<void>
  /** Reads the log, for what is going to be removed from it. */
  readonly remember: Effect.Effect<void>
}

export interface Trial {
  readonly lab: Lab
  readonly name: string
  readonly seed: number
  /** Four partitions by default. */
  readonly topic?: Parameters<JavaClient.Service["createTopic"]>[1]
  readonly client?: ClientOptions
  readonly table?: KafkaTable.TableSettings
  readonly writer?: KafkaTableWriter.WriterSettings
  /** Records that nobody is to see. */
  readonly isPoison?: (record: ReadRecord) => boolean
  /** Returns when it is healed. */
  readonly fault: (world: World) => Effect.Effect<void, unknown, Scope.Scope>
  /** What is particular, when all is well again. The load goes on. */
  readonly then?: (world: World) => Effect.Effect<void, unknown, Scope.Scope>
}

const PARTITIONS = 4

/** Long enough to tell a loop from a poll. */
const IDLE_MILLIS = 400

/** Part of a core that this process takes. A loop takes it all the time, the collection of garbage does not. */
const idleCpu = Effect.gen(function* () {
  let least = 1
  for (let i = 0; i < 3 && least > IDLE_CPU_LIMIT / 2; i++) {
    const before = process.cpuUsage()
    const begin = performance.now()
    yield* Effect.sleep(IDLE_MILLIS)
    const { system, user } = process.cpuUsage(before)
    least = Math.min(least, (system + user) / 1000 / (performance.now() - begin))
  }
  return least
})

const endsOf = (lab: Lab, topic: string) =>
  Effect.map(
    lab.java.listOffsets(topic, { committed: true }),
    (ends) => new Map(ends.map(({ offset, partition }) => [partition, offset]))
  )

const live = (trial: Trial, witness: Witness, lines: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { lab, seed } = trial
    const { java } = lab
    const random = randomOf(seed)
    const scope = yield* Effect.scope
    const topic = topicName()
    const beside = Verdict.topicsBeside(topic)
    const small = { partitions: 2, replicationFactor: lab.nodes.length, configs: compacted }
    yield* Effect.all(
      [
        java.createTopic(topic, { partitions: PARTITIONS, configs: compacted, ...trial.topic }),
        java.createTopic(beside.groups, small),
        java.createTopic(beside.catalog, small)
      ],
      { concurrency: "unbounded" }
    )

    const ends = Effect.orDie(endsOf(lab, topic))
    const open: World["open"] = (name, settings, known) =>
      Effect.gen(function* () {
        const targets = known ?? (yield* ends)
        const acquire = openTable(lab, name, topic, { ...trial.table, ...settings }, trial.client)
        return yield* witness.watch(name, targets, acquire)
      }).pipe(Scope.provide(scope))
    const table = yield* open("reader", { history: Riding.history })
    const statuses = yield* collect(Stream.map(SubscriptionRef.changes(table.status), ({ _tag }) => _tag))

    const makeWriter = (name: string, settings: KafkaTableWriter.WriterSettings) =>
      openWriter(lab, name, topic, { ...settings, ...trial.writer }, trial.client)
    const writers = new Map<string, Writer>()
    for (const [name, settings] of Object.entries(writerSettings)) writers.set(name, yield* makeWriter(name, settings))
    const prober = yield* makeWriter("prober", proberSettings)
    const load = yield* startLoad(writers, random)
    const barriers = yield* witness.watchBarriers("reader", table, load.ends)
    const riding = yield* Riding.Riding.start({
      connect: (clientId) => client(lab, clientId, { ...trial.client, clientId }),
      topics: beside,
      table,
      load,
      random,
      ...(trial.table === undefined ? {} : { settings: trial.table })
    })

    const busy: World["busy"] = (writes = LOAD) =>
      Effect.suspend(() => {
        const target = load.acknowledged() + writes
        return Effect.asVoid(eventually(Effect.sync(load.acknowledged), (acknowledged) => acknowledged >= target))
      })
    const logOf = (topic: string) => Effect.orDie(java.dump(topic, { committed: true }))
    const readLog = Effect.map(logOf(topic), (log) =>
      trial.isPoison === undefined ? log : log.filter((record) => !trial.isPoison!(record))
    )
    const remember = Effect.map(readLog, (log) => {
      witness.logs.push(log)
    })
    const world: World = {
      lab,
      topic,
      random,
      table,
      statuses,
      writers,
      load,
      beside,
      lines,
      open,
      ends,
      busy,
      remember
    }

    yield* busy()
    yield* Effect.scoped(trial.fault(world))
    const probing = Effect.flatMap(java.describeTopic(topic), ({ partitions }) =>
      probe(
        table,
        load,
        prober,
        partitions.map(({ partition }) => partition)
      )
    )
    const [recoveredMillis] = yield* timed(probing)
    yield* busy()
    if (trial.then !== undefined) yield* trial.then(world)
    yield* Effect.all([load.pause, riding.pause], { concurrency: 2 })
    // or there would be no idle time
    yield* Fiber.interrupt(barriers)

    yield* open("fresh")
    const [log, groups, catalog] = yield* Effect.all([readLog, logOf(beside.groups), logOf(beside.catalog)], {
      concurrency: "unbounded"
    })
    const logs = { table: log, groups, catalog }
    const right = lastWriteWins(log)
    yield* heldWithin(
      Effect.sync(() => [...witness.contents.values()].every((content) => differences(content, right).length === 0)),
      RECOVERY_LIMIT_MILLIS
    )
    const ridden = yield* riding.finish(logs)
    const { contents } = witness
    witness.rest()
    return { logs, ridden, contents, recoveredMillis, idleCpu: yield* idleCpu, operations: load.operations }
  })

export const shown = ({ invariant, what }: Violation): string => `(${invariant}) ${invariants[invariant]}: ${what}`

/** Runs something, and fails with all that its judge, and that of the process, have found. */
export const judged = <A>(
  { name, seed }: Pick<Trial, "name" | "seed">,
  body: (lines: ReadonlyArray<string>) => Effect.Effect<A, unknown, Scope.Scope>,
  judge: (result: A) => Judgement
): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const complained = yield* complaints
    const { exit, left } = yield* leftovers(recordLogs(lines)(body(lines)))
    if (Exit.isFailure(exit)) return yield* Effect.failCause(exit.cause)
    const { found, gaps = [], ...rest } = judge(exit.value)
    const all = [...found, ...processViolations({ complaints: complained, left, idleCpu: rest.idleCpu ?? 0 })]
    report.add({ name, seed, closedMillis: left.millisToClose, ...rest })
    assert.deepStrictEqual([...all.map(shown), ...gaps], [])
  }).pipe(Effect.tapCause(() => Effect.sync(() => process.stderr.write(`\n"${name}" failed with SEED=${seed}\n`))))

export interface Judgement {
  readonly found: ReadonlyArray<Violation>
  /** What there is no evidence of. */
  readonly gaps?: ReadonlyArray<string>
  readonly recoveredMillis?: number
  readonly idleCpu?: number
  readonly operations: ReadonlyArray<Operation>
}

/** Runs a trial. Fails with every invariant that was broken. */
export const run = (trial: Trial): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.suspend(() => {
    const witness = new Witness()
    return judged(
      trial,
      (lines) => live(trial, witness, lines),
      ({ contents, logs, ridden, ...rest }) => {
        const everything = union(...witness.logs, logs.table)
        const evidence: Evidence = {
          log: logs.table,
          everything,
          operations: rest.operations,
          sightings: witness.sightings,
          starts: witness.starts,
          reads: witness.reads,
          barriers: witness.barriers,
          contents,
          recoveredMillis: rest.recoveredMillis
        }
        return {
          ...rest,
          found: [...violations(evidence), ...Verdict.judge(ridden, logs, everything)],
          gaps: [...missing(evidence), ...Verdict.missing(ridden)]
        }
      }
    )
  })

/** A scenario of a trial. */
export const underLoad = (
  name: string,
  covers: Covers,
  about: (lab: Lab) => Omit<Trial, "lab" | "name" | "seed">
): Scenario => ({ name, covers, run: (lab, seed) => run({ lab, name, seed, ...about(lab) }) })

/**
 * A scenario without a load, nor an oracle: the body sees to what is right. Closing, and the process, are judged. `lines` is
 * the library's log.
 */
export const alone = (
  name: string,
  covers: Covers,
  body: (lab: Lab, lines: ReadonlyArray<string>) => Effect.Effect<void, unknown, Scope.Scope>
): Scenario => ({
  name,
  covers,
  run: (lab, seed) =>
    judged(
      { name, seed },
      (lines) => body(lab, lines),
      () => ({ found: [], operations: [] })
    )
})
