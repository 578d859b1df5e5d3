/**
 * Whatever happens, in whatever order: once the cluster is well again, a table holds what the log says. `SEED` replays
 * one run.
 */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Schedule, SubscriptionRef } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { withSeed } from "../support/effect/v4/random.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import type { KafkaTable } from "../../src/index.ts"
import type { Partition } from "../../src/internal/embedded/cluster.ts"
import { connectionError, FakeCluster } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { acquiring, open, settleBriefly, topic } from "./support.ts"

const SEEDS = ofRounds(4, 12)
const STEPS = 40
const NODES = 3

interface WrittenBatch {
  readonly baseOffset: number
  readonly records: ReadonlyArray<{ readonly key: string; readonly value: string | null; readonly timestamp: number }>
}

/** `flaky`: every other request fails. `down`: all do, at once. `frozen`: all do, after a while. */
const illnesses = ["flaky", "down", "frozen"] as const

const pass = (millis: number) => Effect.andThen(TestClock.adjust(millis), settleBriefly)

/** A cluster that goes wrong at random, and knows what a table must hold in the end. */
class Chaos {
  readonly cluster = new FakeCluster(NODES)
  /** What was done, for the report of a failure. */
  readonly trace: Array<string> = []
  private readonly random: () => number
  private readonly written = new Map<Partition, Array<WrittenBatch>>()
  private readonly ill = new Map<number, (typeof illnesses)[number]>()
  /** Values that retention removed from the log: a table may have them or not. */
  private readonly evicted = new Set<string>()
  private time = 1

  constructor(seed: number) {
    this.random = randomOf(seed)
    this.cluster.createTopic(topic, 1 + this.below(3))
    for (let i = 0; i < 6; i++) this.append()
    this.cluster.before = (_, node) => {
      switch (this.ill.get(node)) {
        case undefined:
          return undefined
        case "flaky":
          return this.random() < 0.5 ? Effect.fail(connectionError("Closed")) : undefined
        case "down":
          return Effect.fail(connectionError("Unreachable"))
        case "frozen":
          return Effect.delay(Effect.fail(connectionError("Timeout")), 2_000)
      }
    }
  }

  below(n: number): number {
    return Math.floor(this.random() * n)
  }

  /** Something happens, and then some time passes. */
  get step(): Effect.Effect<void> {
    return Effect.andThen(
      Effect.suspend(() => this.something()),
      Effect.suspend(() => pass(this.below(700)))
    )
  }

  private something(): Effect.Effect<void> {
    const what = this.random()
    if (what < 0.4) return Effect.sync(() => this.append())
    if (what < 0.5) return Effect.sync(() => this.moveLeader())
    if (what < 0.58) return Effect.sync(() => this.deleteHead())
    if (what < 0.64) return this.loseTail
    if (what < 0.68) return Effect.sync(() => this.addPartition())
    if (what < 0.71) return Effect.sync(() => this.recreate())
    if (what < 0.82) return Effect.sync(() => this.fallIll())
    if (what < 0.92) return Effect.sync(() => this.ill.delete(this.below(NODES)))
    return this.corruptForAWhile
  }

  recover(): void {
    this.ill.clear()
  }

  private get partitions(): ReadonlyArray<Partition> {
    return this.cluster.topic(topic).partitions
  }

  private batches(p: Partition): Array<WrittenBatch> {
    let batches = this.written.get(p)
    if (batches === undefined) this.written.set(p, (batches = []))
    return batches
  }

  private append(): void {
    const partition = this.below(this.partitions.length)
    const records = Array.from({ length: 1 + this.below(3) }, () => ({
      key: `p${partition}-k${this.below(5)}`,
      value: this.random() < 0.25 ? null : `v${this.time}`,
      timestamp: this.time++
    }))
    const baseOffset = this.cluster.append(topic, records, partition)
    this.batches(this.partitions[partition]).push({ baseOffset, records })
    this.trace.push(`append ${partition}@${baseOffset}`)
  }

  private moveLeader(): void {
    const partition = this.below(this.partitions.length)
    const leader = this.below(NODES)
    this.cluster.moveLeader(topic, leader, partition)
    this.trace.push(`leader of ${partition}: ${leader}`)
  }

  /** A partition of more than one batch, and one of these that is not the first. */
  private cut(): { readonly partition: number; readonly p: Partition; readonly index: number } | undefined {
    const partition = this.below(this.partitions.length)
    const p = this.partitions[partition]
    const { length } = this.batches(p)
    return length > 1 ? { partition, p, index: 1 + this.below(length - 1) } : undefined
  }

  private deleteHead(): void {
    const cut = this.cut()
    if (cut === undefined) return
    const removed = this.batches(cut.p).splice(0, cut.index)
    for (const { value } of removed.flatMap((b) => b.records)) if (value !== null) this.evicted.add(value)
    const offset = this.batches(cut.p)[0].baseOffset
    this.trace.push(`head of ${cut.partition}: ${offset}`)
    this.cluster.truncateHead(topic, offset, cut.partition)
  }

  /** Not while a broker is ill: what is written next must not get the log as long as it was before a table sees this. */
  private get loseTail(): Effect.Effect<void> {
    const cut = this.ill.size === 0 ? this.cut() : undefined
    if (cut === undefined) return Effect.void
    const [first] = this.batches(cut.p).splice(cut.index)
    const offset = first.baseOffset
    this.cluster.truncateTail(topic, offset, cut.partition)
    this.trace.push(`tail of ${cut.partition}: ${offset}`)
    return Effect.repeat(pass(200), { times: 19 })
  }

  private addPartition(): void {
    if (this.partitions.length >= 4) return
    this.cluster.addPartition(topic, this.below(NODES))
    this.trace.push("partition added")
  }

  private recreate(): void {
    this.cluster.createTopic(topic, 1 + this.below(3))
    this.trace.push(`re-created with ${this.partitions.length}`)
  }

  private fallIll(): void {
    const node = this.below(NODES)
    const illness = illnesses[this.below(illnesses.length)]
    this.ill.set(node, illness)
    this.trace.push(`broker ${node} ${illness}`)
  }

  /** One bit on the wire. */
  private get corruptForAWhile(): Effect.Effect<void> {
    const bytes = this.partitions[this.below(this.partitions.length)].log.batches.at(-1)?.bytes
    if (bytes === undefined) return Effect.void
    const flip = Effect.sync(() => {
      bytes[bytes.length - 2] ^= 1
    })
    this.trace.push("corrupt")
    return Effect.andThen(Effect.andThen(flip, pass(50 + this.below(300))), flip)
  }

  /** What the log says. */
  get expected(): Readonly<Record<string, string>> {
    const rows: Record<string, string> = {}
    for (const { key, value } of this.partitions.flatMap((p) => this.batches(p)).flatMap((b) => b.records)) {
      if (value === null) delete rows[key]
      else rows[key] = value
    }
    return rows
  }

  isShownBy(snapshot: KafkaTable.KafkaTable<string, string>["unsafeSnapshot"]): boolean {
    const { expected } = this
    const rows = [...snapshot()]
    const shown = new Map(rows)
    return (
      Object.entries(expected).every(([key, value]) => shown.get(key) === value) &&
      rows.every(([key, value]) => key in expected || this.evicted.has(value))
    )
  }
}

const run = (seed: number) =>
  Effect.gen(function* () {
    const chaos = new Chaos(seed)
    const exit = yield* acquiring(
      open(chaos.cluster, {
        restart: Schedule.spaced("500 millis"),
        metadataMaxAge: "2 seconds",
        catchUpTimeout: "3 seconds",
        fetch: { maxPartitionBytes: chaos.below(2) === 0 ? 100 : 100_000 }
      }),
      4_000
    )
    if (Exit.isFailure(exit)) return assert.fail(`SEED=${seed}: ${String(exit.cause)}`)
    const table = exit.value
    yield* Effect.repeat(chaos.step, { times: STEPS - 1 })
    chaos.recover()
    for (let passed = 0; passed < 15_000; passed += 250) {
      yield* pass(250)
      const status = yield* SubscriptionRef.get(table.status)
      if (status._tag === "CaughtUp" && chaos.isShownBy(table.unsafeSnapshot)) return
    }
    const report = {
      status: yield* SubscriptionRef.get(table.status),
      trace: chaos.trace.join(", "),
      shown: Object.fromEntries(table.unsafeSnapshot()),
      expected: chaos.expected,
      stats: yield* table.stats
    }
    assert.fail(`SEED=${seed} does not find its way back: ${JSON.stringify(report, undefined, 2)}`)
  }).pipe(Effect.scoped, withSeed(seed), withoutLogs)

const given = process.env["SEED"]
const seeds = given === undefined ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(given)]

describe("faults at random", () => {
  for (const seed of seeds) it.effect(`seed ${seed}`, () => run(seed))
})
