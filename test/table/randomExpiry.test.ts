/**
 * Records, deletes, deadlines, time, rebuilds, evictions and renumberings at random: a table with expiry shows what a model
 * says, at each version, and a fresh one shows the same.
 */
import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Option, Stream } from "effect"
import { Codec, KafkaTable, LiveTable, TableIndex, type TableChange, type TableSnapshot } from "../../src/index.ts"
import { connectionError, FakeCluster } from "../support/FakeCluster.ts"
import { currentClock, millisOf } from "../../src/internal/effect/v4/clock.ts"
import { listenTo } from "../../src/internal/table/publication/attaching.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { advance, on, settle, topic } from "./support.ts"

const SEEDS = ofRounds(6, 40)
const STEPS = 40

interface Logged {
  readonly key: string
  readonly value: string | null
  readonly timestamp: number
  readonly partition: number
  readonly offset: number
}

type Table = KafkaTable.KafkaTable<string, string, typeof indexes>

/** A value is `n@deadline`: a time, "never", or "bad", of which the function throws. */
const expireAt = (value: string): number | undefined => {
  const deadline = value.slice(value.indexOf("@") + 1)
  if (deadline === "bad") throw new Error(value)
  return deadline === "never" ? undefined : Number(deadline)
}

const digitOf = (value: string): string => value.slice(value.indexOf("@") - 1, value.indexOf("@"))

const indexes = TableIndex.define<string, string>()((index) => ({
  digit: index.hash(digitOf),
  deadline: index.sorted((value) => value.slice(value.indexOf("@")))
}))

class World {
  readonly cluster = new FakeCluster()
  readonly random: () => number
  readonly expireAfter: number | undefined
  /** Of one partition, rows that went are taken out of the table at once; of two, they count against older records. */
  private readonly partitions: number
  private log: Array<Logged> = []
  private written = 0

  constructor(seed: number) {
    this.random = randomOf(seed)
    this.expireAfter = this.random() < 0.5 ? 4_000 + this.below(20_000) : undefined
    this.partitions = 1 + (seed % 2)
    this.cluster.createTopic(topic, this.partitions)
  }

  below(n: number): number {
    return Math.floor(this.random() * n)
  }

  append(now: number, partition = this.below(this.partitions)): void {
    this.write(
      partition,
      Array.from({ length: 1 + this.below(5) }, () => {
        const deadline = now - 3_000 + this.below(15_000)
        const what = this.random()
        return {
          key: `k${this.below(8) + Math.floor(this.written / 20)}`,
          value: what < 0.15 ? null : this.valueOf(what < 0.25 ? "never" : what < 0.3 ? "bad" : `${deadline}`),
          timestamp: Math.max(0, now - this.below(6_000))
        }
      })
    )
  }

  /** Many keys that nobody needs for long: their rows are taken out of the table. */
  churn(now: number): void {
    const name = this.written
    const value = this.valueOf(`${now + 1_000}`)
    this.write(
      this.below(this.partitions),
      Array.from({ length: 1_300 }, (_, i) => ({ key: `${name}-${i}`, value, timestamp: now }))
    )
  }

  private valueOf(deadline: string): string {
    return `${this.written++}@${deadline}`
  }

  private write(partition: number, records: ReadonlyArray<Omit<Logged, "partition" | "offset">>): void {
    const base = this.cluster.append(topic, records, partition)
    records.forEach((record, i) => this.log.push({ ...record, partition, offset: base + i }))
  }

  deleteHead(partition = this.below(this.partitions)): void {
    const { endOffset, startOffset } = this.cluster.log(topic, partition)
    const to = startOffset + this.below(endOffset - startOffset + 1)
    this.cluster.truncateHead(topic, to, partition)
    this.log = this.log.filter((record) => record.partition !== partition || record.offset >= to)
  }

  loseTail(): void {
    const partition = this.below(this.partitions)
    const { batches } = this.cluster.log(topic, partition)
    if (batches.length < 2) return
    const to = batches[batches.length - 1 - this.below(Math.min(3, batches.length - 1))].baseOffset
    this.cluster.truncateTail(topic, to, partition)
    this.log = this.log.filter((record) => record.partition !== partition || record.offset < to)
  }

  /** Retention passes by the table in one partition, which is replayed then. */
  fallBehind(now: number) {
    const { cluster } = this
    const partition = this.below(this.partitions)
    return Effect.gen({ self: this }, function* () {
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
      yield* advance(600)
      const { endOffset } = cluster.log(topic, partition)
      this.append(now, partition)
      this.append(now, partition)
      cluster.truncateHead(topic, endOffset + 1, partition)
      this.log = this.log.filter((record) => record.partition !== partition || record.offset > endOffset)
      cluster.before = () => undefined
    })
  }

  isPast(value: string, timestamp: number, now: number): boolean {
    const after = timestamp + (this.expireAfter ?? Infinity)
    const at = value.endsWith("@bad") ? Infinity : (expireAt(value) ?? Infinity)
    return Math.min(after, at) <= now
  }

  /** What a table shows now that has read all. */
  expected(now: number): Map<string, string> {
    const newest = new Map<string, Array<Logged | undefined>>()
    for (const record of this.log) {
      const rows = newest.get(record.key) ?? Array.from({ length: this.partitions }, () => undefined)
      newest.set(record.key, rows)
      rows[record.partition] = record
    }
    const shown = new Map<string, string>()
    for (const [key, rows] of newest) {
      const winner = rows.reduce((a, b) => (b === undefined || (a !== undefined && a.timestamp > b.timestamp) ? a : b))!
      if (winner.value !== null && !this.isPast(winner.value, winner.timestamp, now)) shown.set(key, winner.value)
    }
    return shown
  }

  open(asked: () => void = () => {}) {
    return KafkaTable.make<string, string, typeof indexes>(
      {
        topic,
        value: Codec.utf8,
        ensureTopic: false,
        expireAt: (value) => {
          asked()
          return expireAt(value)
        },
        ...(this.expireAfter === undefined ? {} : { expireAfter: this.expireAfter })
      },
      indexes
    ).pipe(on(this.cluster))
  }
}

const sorted = (content: Iterable<readonly [string, string]>) => [...content].sort(([a], [b]) => (a < b ? -1 : 1))

const isSame = (one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>) =>
  one.size === other.size && [...one].every(([key, value]) => other.get(key) === value)

const now = Clock.currentTimeMillis

/** What somebody knows who follows changes, each of which has to fit to what was told before. */
class Known {
  readonly content: Map<string, string>
  readonly wrong: Array<string> = []

  constructor(first: Iterable<readonly [string, string]>) {
    this.content = new Map(first)
  }

  take(change: TableChange.TableChange<string, string>): void {
    const { content, wrong } = this
    const { key, previous } = change
    if (Option.getOrUndefined(previous) !== content.get(key)) wrong.push(`${key} was ${content.get(key)}`)
    if (change._tag === "Upsert") content.set(key, change.value)
    else if (!content.delete(key)) wrong.push(`there is no ${key}`)
  }

  /** Takes all changes, in a fiber of its own. */
  follow(changes: Stream.Stream<TableChange.TableChange<string, string>, LiveTable.TableFailure>) {
    return Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => this.take(change))))
  }
}

const follow = (table: Table, strategy: LiveTable.Strategy) =>
  Effect.gen(function* () {
    const { changes, snapshot } = yield* table.subscribe({ strategy })
    const known = new Known(snapshot)
    yield* known.follow(changes)
    return known
  })

/** Judges what a table tells: nothing that was past when the rows of that update were asked for their times. */
class Judge {
  readonly past: Array<string> = []
  private askedAt: number | undefined

  constructor(
    private readonly world: World,
    private readonly clock: Clock.Clock
  ) {}

  readonly asked = (): void => {
    this.askedAt ??= millisOf(this.clock)
  }

  readonly listen = (table: Table) =>
    listenTo<unknown, TableChange.RecordChange<string, string>>(
      table,
      { push: ({ changes }) => this.judge(changes), end: () => {} },
      () => {}
    )

  private judge(changes: ReadonlyArray<TableChange.RecordChange<string, string>>): void {
    const time = this.askedAt ?? millisOf(this.clock)
    this.askedAt = undefined
    for (const change of changes) {
      if (change._tag !== "Upsert" || !this.world.isPast(change.value, change.timestamp, time)) continue
      this.past.push(`${change.value} at ${time}`)
    }
  }
}

/** The queries that are followed: all rows, some, and the first and last ones in an order. */
const QUERIES: ReadonlyArray<
  readonly [TableIndex.Where<typeof indexes>, TableIndex.QueryOptions<TableIndex.SortedNames<typeof indexes>>]
> = [
  [{}, {}],
  [{ digit: "3" }, {}],
  [{}, { orderBy: "deadline", limit: 3 }],
  [{ deadline: { gte: "@2" } }, { orderBy: "deadline", reverse: true, limit: 5 }],
  [{}, { limit: 4 }]
]

/** Follows live queries: each change has to fit to what was told before, and all lead to what a query finds. */
const followQueries = (table: Table) =>
  Effect.gen(function* () {
    const followed: Array<{ readonly isThere: () => boolean; readonly check: (what: string) => void }> = []
    for (const [where, options] of QUERIES) {
      const live = yield* table.live(where, options)
      const { changes, result } = yield* live.subscribe({ strategy: LiveTable.backPressure(10_000) })
      const { content, wrong } = yield* Effect.suspend(() => {
        const known = new Known(Array.from(result, ({ key, value }) => [key, value] as const))
        return Effect.as(known.follow(changes), known)
      })
      followed.push({
        isThere: () => isSame(content, new Map(Array.from(live.unsafeCurrent(), ({ key, value }) => [key, value]))),
        check: (what) => {
          assert.deepStrictEqual(wrong, [], what)
          const found = table.unsafeSnapshot().query(where, options)
          const current = live.unsafeCurrent()
          assert.strictEqual(current.version, table.unsafeSnapshot().version)
          assert.deepStrictEqual(current.toArray(), found, what)
          assert.deepStrictEqual(sorted(content), sorted(found.map(({ key, value }) => [key, value] as const)), what)
        }
      })
    }
    return followed
  })

/** A snapshot, and what it showed when it was taken. */
interface Held {
  readonly snapshot: TableSnapshot.RecordSnapshot<string, string, typeof indexes>
  readonly content: ReadonlyArray<readonly [string, string]>
}

const checkIndex = ({ content, snapshot }: Held) => {
  for (const digit of "0123456789") {
    assert.deepStrictEqual(
      Array.from(snapshot.by("digit").get(digit), ({ key }) => key).sort(),
      content.filter(([, value]) => digitOf(value) === digit).map(([key]) => key)
    )
  }
}

const counted = ["expired", "expiryErrors", "rebuilds", "evicted", "contestedKeys"] as const
const totals = { expired: 0, expiryErrors: 0, rebuilds: 0, evicted: 0, contestedKeys: 0 }

describe("expiry, at random", () => {
  it.effect.each(Array.from({ length: SEEDS }, (_, i) => i))("seed %i", (seed) =>
    Effect.gen(function* () {
      const world = new World(seed)
      yield* advance(10_000)
      for (let i = 0; i < 5; i++) world.append(yield* now)
      const judge = new Judge(world, yield* currentClock)
      const table = yield* world.open(judge.asked)
      yield* judge.listen(table)
      const followers = [yield* follow(table, LiveTable.backPressure(10_000)), yield* follow(table, LiveTable.conflate)]
      const queries = yield* followQueries(table)
      const held: Array<Held> = []
      const check = (what: string) =>
        Effect.gen(function* () {
          yield* settle
          const right = world.expected(yield* now)
          const expected = sorted(right)
          const isThere = () =>
            isSame(new Map(table.unsafeSnapshot()), right) &&
            followers.every(({ content }) => isSame(content, right)) &&
            queries.every((each) => each.isThere())
          // What is much is done in slices, by the host's clock: by the table, and by those who follow.
          for (let i = 0; i < 1_000 && !isThere(); i++) yield* settle
          const snapshot = table.unsafeSnapshot()
          assert.deepStrictEqual(sorted(snapshot), expected, what)
          assert.strictEqual(snapshot.size, expected.length)
          for (const { content, wrong } of followers) {
            assert.deepStrictEqual(wrong, [], what)
            assert.deepStrictEqual(sorted(content), expected, what)
          }
          assert.deepStrictEqual(judge.past, [], what)
          held.push({ snapshot, content: expected })
          checkIndex(held.at(-1)!)
          for (const each of queries) each.check(what)
        })
      for (let step = 0; step < STEPS; step++) {
        const what = world.random()
        const time = yield* now
        if (what < 0.6) world.append(time)
        else if (what < 0.66) world.churn(time)
        else if (what < 0.74) world.deleteHead()
        else if (what < 0.8) world.loseTail()
        else if (what < 0.88) yield* world.fallBehind(time)
        // what is wrong is noticed within this time
        yield* advance(2_000)
        yield* check(`step ${step}, ${what}`)
        yield* advance(world.below(4_000))
        yield* check(`step ${step}, later`)
        if (world.random() < 0.2) {
          const fresh = yield* Effect.scoped(Effect.map(world.open(), (fresh) => sorted(fresh.unsafeSnapshot())))
          assert.deepStrictEqual(fresh, sorted(table.unsafeSnapshot()))
        }
      }
      for (const one of held) {
        assert.deepStrictEqual(sorted(one.snapshot), one.content)
        checkIndex(one)
      }
      const stats = yield* table.stats
      for (const name of counted) totals[name] += stats[name]
    }).pipe(withoutLogs)
  )

  it("all of it has happened", () => {
    for (const name of counted) assert.isAbove(totals[name], 0, name)
  })
})
