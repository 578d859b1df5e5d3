/**
 * Faults at random on a cluster of three nodes, for as long as one likes, and what that does to memory.
 *
 * A table with a follower, and a writer with a light load, live from the first minute to the last. Beside them one round
 * comes after the other: a topic of its own, a table, three busy writers, faults of all kinds at the same time, the healing,
 * and the oracle's verdict. What a round has seen is forgotten then, so that what grows is what lives on.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Semaphore from "effect/Semaphore"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { LiveTable } from "../../src/index.ts"
import { complaints } from "../faults/complaints.ts"
import * as Lab from "../faults/lab.ts"
import { proberSettings, start as startLoad, writerSettings, type Writer } from "../faults/load.ts"
import { compacted, openTable, openWriter } from "../faults/openings.ts"
import { CLOSE_LIMIT_MILLIS, differences, lastWriteWins, violations, RECOVERY_LIMIT_MILLIS } from "../faults/oracle.ts"
import { probe } from "../faults/probe.ts"
import { Chaos } from "../faults/random.ts"
import { shown } from "../faults/trial.ts"
import { contentOf, Witness, type Table } from "../faults/Witness.ts"
import { topicName } from "../kafka/realKafka.ts"
import { bytesInUse, MIB } from "../support/garbage.ts"
import { leftovers } from "../support/leftovers.ts"
import { heldWithin, timed } from "../support/ownTime.ts"
import { randomOf } from "../support/random.ts"
import { slope } from "../support/slope.ts"

export interface Options {
  readonly minutes: number
  readonly seed: number
  /** Gets a line now and then. */
  readonly print: (line: string) => void
}

export interface Sample {
  /** Since the first one. */
  readonly minutes: number
  /** In use after the garbage is gone, and all that the process has of the system. */
  readonly bytes: number
  readonly residentBytes: number
}

export interface Result {
  readonly rounds: number
  /** What was played, how often. */
  readonly faults: ReadonlyMap<string, number>
  readonly acknowledged: number
  readonly failed: number
  readonly unknown: number
  readonly slowestRecoveryMillis: number
  /** Everything that should not have been. */
  readonly wrong: ReadonlyArray<string>
  readonly samples: ReadonlyArray<Sample>
  /** Bytes a minute, by the least squares of the later half of the samples: before, code is compiled. */
  readonly slope: number
  readonly residentSlope: number
}

const PARTITIONS = 4
/** Faults of a round, of up to two and a half seconds each, some at the same time. */
const FAULTS = 8
const KEYS = 500
const PAUSE_MILLIS = 20

const busyTopic = { partitions: PARTITIONS, replicationFactor: 3, configs: compacted }

class Counts {
  readonly faults = new Map<string, number>()
  readonly wrong: Array<string> = []
  acknowledged = 0
  failed = 0
  unknown = 0
  slowestRecoveryMillis = 0

  /** "kill 2 for 300 ms" counts as a kill. */
  fault(what: string): void {
    if (what.startsWith("nothing")) return
    const kind = what
      .replace(/ for \d+ ms$/, "")
      .replace(/,.*$/, "")
      .replace(/ (of )?\d+$/, "")
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1)
  }

  get played(): number {
    return [...this.faults.values()].reduce((sum, count) => sum + count, 0)
  }
}

/** Those who live through all of it. */
interface Residents {
  /** That the table and its follower hold what is in the log, as Kafka's own consumer reads it. The load waits for it. */
  readonly check: Effect.Effect<ReadonlyArray<string>, unknown>
}

const residents = (lab: Lab.Lab, random: () => number): Effect.Effect<Residents, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const topic = topicName("residents")
    yield* lab.java.createTopic(topic, busyTopic)
    const table = yield* openTable(lab, "reader", topic)
    const writer = yield* openWriter(lab, "patient", topic, { requestTimeout: "2 seconds" })
    const { changes } = yield* table.subscribe({ strategy: LiveTable.backPressure(100_000) })
    const known = new Map<string, string>()
    yield* Effect.forkScoped(
      Stream.runForEach(changes, (change) =>
        Effect.sync(() => {
          if (change._tag === "Upsert") known.set(change.key, change.value)
          else known.delete(change.key)
        })
      )
    )
    const turn = yield* Semaphore.make(1)
    let written = 0
    const write = Effect.suspend(() => {
      const key = `k${Math.floor(random() * KEYS)}`
      // an outcome may be unknown, but never what is read
      return Effect.exit(random() < 0.2 ? writer.delete(key) : writer.set(key, `resident-${written++}`))
    })
    yield* Effect.forkScoped(Effect.forever(Effect.delay(turn.withPermits(1)(write), PAUSE_MILLIS)))
    return {
      check: turn.withPermits(1)(
        Effect.gen(function* () {
          const right = lastWriteWins(yield* lab.java.dump(topic, { committed: true }))
          const wrong = () => [
            ...differences(contentOf(table), right),
            ...(isSame(known, table) ? [] : ["a follower of the table that lives on knows something else"])
          ]
          yield* heldWithin(
            Effect.sync(() => wrong().length === 0),
            RECOVERY_LIMIT_MILLIS
          )
          return wrong()
        })
      )
    }
  })

const isSame = (known: ReadonlyMap<string, string>, table: Table): boolean => {
  const snapshot = table.unsafeSnapshot()
  return known.size === snapshot.size && [...known].every(([key, value]) => snapshot.getOrUndefined(key) === value)
}

/** Load, faults, healing, verdict. */
const round = (lab: Lab.Lab, random: () => number, counts: Counts) =>
  Effect.gen(function* () {
    const { java } = lab
    const witness = new Witness()
    const topic = topicName("round")
    yield* java.createTopic(topic, busyTopic)
    const table = yield* witness.watch("reader", new Map(), openTable(lab, "reader", topic))
    const writers = new Map<string, Writer>()
    for (const [name, settings] of Object.entries(writerSettings)) {
      writers.set(name, yield* openWriter(lab, name, topic, settings))
    }
    const prober = yield* openWriter(lab, "prober", topic, proberSettings)
    const load = yield* startLoad(writers, random)
    const barriers = yield* witness.watchBarriers("reader", table, load.ends)

    const chaos = new Chaos(lab, { topic, random })
    const running: Array<Fiber.Fiber<void, unknown>> = []
    for (let i = 0; i < FAULTS; i++) {
      const step = yield* Effect.forkChild(chaos.step)
      running.push(step)
      if (random() < 0.5) yield* Effect.sleep(random() * 1_000)
      else yield* Fiber.await(step)
    }
    yield* Effect.forEach(yield* Fiber.awaitAll(running), (exit) => exit, { discard: true })
    for (const fault of chaos.trace) counts.fault(fault)

    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition)
    const [recoveredMillis] = yield* timed(probe(table, load, prober, partitions))
    yield* load.pause
    yield* Fiber.interrupt(barriers)
    const log = yield* java.dump(topic, { committed: true })
    const right = lastWriteWins(log)
    yield* heldWithin(
      Effect.sync(() => [...witness.contents.values()].every((content) => differences(content, right).length === 0)),
      RECOVERY_LIMIT_MILLIS
    )
    const found = violations({
      log,
      operations: load.operations,
      sightings: witness.sightings,
      starts: witness.starts,
      reads: witness.reads,
      barriers: witness.barriers,
      contents: witness.contents,
      recoveredMillis
    })
    counts.slowestRecoveryMillis = Math.max(counts.slowestRecoveryMillis, recoveredMillis)
    for (const { outcome } of load.operations) {
      if (outcome?._tag === "Acknowledged") counts.acknowledged++
      else if (outcome?._tag === "Failed") counts.failed++
      else counts.unknown++
    }
    if (found.length > 0) counts.wrong.push(...found.map(shown), `after ${chaos.trace.join("; ")}`)
    yield* java.deleteTopic(topic)
  }).pipe(Effect.scoped)

const config = { "min.insync.replicas": "1", "replica.lag.time.max.ms": "3000" }

/** Half a minute a round, so the last one ends somewhat later than asked for. */
export const soak = ({ minutes, print, seed }: Options): Effect.Effect<Result, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const lab = yield* Lab.make({ nodes: 3, config })
    const complained = yield* complaints
    const counts = new Counts()
    const samples: Array<Sample> = []
    let rounds = 0
    const { exit, left } = yield* leftovers(
      Effect.gen(function* () {
        const { check } = yield* residents(lab, randomOf(seed))
        const begin = performance.now()
        const sinceBegin = () => (performance.now() - begin) / 60_000
        while (sinceBegin() < minutes) {
          const before = counts.wrong.length
          yield* round(lab, randomOf(seed + rounds), counts)
          rounds++
          const wrong = yield* check
          counts.wrong.push(...wrong.map((what) => `round ${rounds}, who lives on: ${what}`))
          for (const what of counts.wrong.slice(before)) print(what)
          // what a round has left lets go
          yield* Effect.sleep("200 millis")
          const bytes = yield* bytesInUse
          samples.push({ minutes: sinceBegin(), bytes, residentBytes: process.memoryUsage.rss() })
          const { acknowledged, failed, played, slowestRecoveryMillis, unknown } = counts
          print(
            `${sinceBegin().toFixed(1)} min, round ${rounds}: ${played} faults; ` +
              `${acknowledged} writes acknowledged, ${failed} failed, ${unknown} unknown; ` +
              `slowest recovery ${(slowestRecoveryMillis / 1000).toFixed(2)} s; ` +
              `${(bytes / MIB).toFixed(1)} MiB in use, ${(process.memoryUsage.rss() / MIB).toFixed(0)} MiB resident; ` +
              (counts.wrong.length === 0 ? "nothing wrong" : `WRONG: ${counts.wrong.length}`)
          )
        }
      })
    )
    if (Exit.isFailure(exit)) return yield* Effect.failCause(exit.cause)
    counts.wrong.push(...complained)
    const { millisToClose, ...rest } = left
    for (const [what, count] of Object.entries(rest)) if (count > 0) counts.wrong.push(`${count} ${what} are left`)
    if (millisToClose > CLOSE_LIMIT_MILLIS) counts.wrong.push(`closing took ${Math.round(millisToClose)} ms`)
    const later = samples.slice(Math.floor(samples.length / 2))
    return {
      ...counts,
      rounds,
      samples,
      slope: slope(later.map(({ bytes, minutes }) => ({ x: minutes, y: bytes }))),
      residentSlope: slope(later.map(({ minutes, residentBytes }) => ({ x: minutes, y: residentBytes })))
    }
  }).pipe(withoutLogs)

/** The result as text. */
export const report = (result: Result, seed: number): string =>
  [
    `seed ${seed}: ${result.rounds} rounds, ${result.wrong.length === 0 ? "nothing wrong" : "WRONG"}`,
    `faults: ${[...result.faults].map(([what, count]) => `${count} × ${what}`).join(", ")}`,
    `writes: ${result.acknowledged} acknowledged, ${result.failed} failed, ${result.unknown} unknown`,
    `slowest recovery: ${(result.slowestRecoveryMillis / 1000).toFixed(2)} s`,
    `memory, in the later half: ${kib(result.slope)} a minute in use, ${kib(result.residentSlope)} a minute resident`,
    ...result.wrong
  ].join("\n")

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`
