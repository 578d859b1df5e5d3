/** Indexes of whole tables: acquired with them, attached to them, while they are read, restarted, failed and closed. */
import { assert, describe } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schedule, Schema, Scope, Stream } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, TableIndex } from "../../src/index.ts"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TestClock from "effect/testing/TestClock"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { publicationOf } from "../../src/internal/table/publication/attaching.ts"
import { failureOf } from "../support/exits.ts"
import { it } from "../support/ManualClock.ts"
import { open, on, settle, topic, turn, until, withTopic } from "../table/support.ts"

const keys = (all: Iterable<{ readonly key: string }>) => Array.from(all, ({ key }) => key)
const records = (count: number, value: string, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ key: `k${String(from + i).padStart(5, "0")}`, value }))

/** What a defect says. */
const toldBy = <A, E>(exit: Exit.Exit<A, E>): string =>
  Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : assert.fail("it succeeded")

/** Until it holds, in so few turns of the event loop that what is built is not done by then. */
const during = (what: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < 1000 && !what(); i++) yield* turn
    assert.isTrue(what())
  })

class User extends Schema.Class<User>("User")({
  email: Schema.String,
  city: Schema.String,
  age: Schema.Number,
  tags: Schema.Array(Schema.String)
}) {}

class Users extends KafkaTable.Tag("app/Users")<Users, string, User>().withIndexes((index) => ({
  email: index.unique((user) => user.email),
  city: index.hash((user) => user.city),
  tag: index.multi((user) => user.tags),
  age: index.sorted((user) => user.age),
  abroad: index.sorted((user) => user.email, { where: (user) => user.city !== "Rome" })
})) {}

const options = { topic: "users", value: Codec.json(User) }
const user = (email: string, city: string, age: number, ...tags: ReadonlyArray<string>) =>
  new User({ email, city, age, tags })

describe("a table with indexes", () => {
  it.effect("answers as soon as a write is visible, by its tag", () =>
    Effect.gen(function* () {
      const writer = yield* KafkaTableWriter.make(options)
      yield* writer.set("1", user("a@b.c", "Berlin", 30, "admin", "dev"))
      yield* writer.set("2", user("b@b.c", "Rome", 20, "dev"))
      const users = yield* Users
      yield* users.awaitPosition(yield* writer.set("3", user("b@b.c", "Berlin", 20, "admin")))
      assert.deepStrictEqual(
        Option.map(yield* users.by("email").get("b@b.c"), ({ key }) => key),
        Option.some("2")
      )
      assert.isTrue(yield* users.by("email").has("a@b.c"))
      assert.deepStrictEqual(keys(yield* users.by("email").conflicts), ["3"])
      assert.deepStrictEqual(keys(yield* users.by("city").get("Berlin")), ["1", "3"])
      assert.strictEqual(yield* users.by("city").count("Rome"), 1)
      assert.deepStrictEqual(keys(yield* users.by("tag").get("admin")), ["1", "3"])
      assert.deepStrictEqual(keys(yield* users.by("age").range({ lt: 30 })), ["2", "3"])
      assert.strictEqual(yield* users.by("age").count({ gte: 30 }), 1)
      assert.deepStrictEqual(keys(yield* users.by("age").get(20)), ["2", "3"])
      assert.deepStrictEqual(keys(yield* users.by("abroad").prefix("b@")), ["3"])
      assert.deepStrictEqual(keys(yield* users.query({ city: "Berlin" }, { orderBy: "age" })), ["3", "1"])
      assert.deepStrictEqual(yield* users.explain({ tag: "admin", age: 30 }), {
        index: "age",
        candidates: 1,
        sorts: false
      })
      assert.deepStrictEqual(yield* users.by("email").stats, { entries: 3, leftOut: 0, problems: 0, conflicts: 1 })
      // The row that had the address gives it back.
      yield* users.awaitPosition(yield* writer.delete("2"))
      assert.deepStrictEqual(
        Option.map(yield* users.by("email").get("b@b.c"), ({ key }) => key),
        Option.some("3")
      )
      assert.deepInclude(yield* users.by("email").stats, { entries: 2, conflicts: 0 })
    }).pipe(Effect.provide(KafkaTable.layer(Users, options)), Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("a fresh one and one that has run all the time have the same winners and conflicts", () =>
    Effect.gen(function* () {
      const writer = yield* KafkaTableWriter.make(options)
      const running = yield* KafkaTable.make(options, Users.indexes)
      const set = (key: string, email: string) =>
        Effect.flatMap(writer.set(key, user(email, "Oslo", 1)), (at) => running.awaitPosition(at))
      const found = (table: KafkaTable.KafkaTable<string, User, typeof Users.indexes>) =>
        Effect.gen(function* () {
          const winner = yield* table.by("email").get("x")
          const losers = yield* table.by("email").conflicts
          const { conflicts } = yield* table.by("email").stats
          return [Option.map(winner, ({ key }) => key), keys(losers).sort(), conflicts]
        })
      const both = (...right: ReadonlyArray<unknown>) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* found(running), right)
          const fresh = yield* KafkaTable.make(options, Users.indexes)
          assert.deepStrictEqual(yield* found(fresh), right)
        })
      yield* set("a", "x")
      yield* set("b", "x")
      yield* set("c", "x")
      yield* both(Option.some("a"), ["b", "c"], 2)
      // A heartbeat of the winner makes its record the newest.
      yield* set("a", "x")
      yield* both(Option.some("b"), ["a", "c"], 2)
      yield* set("b", "y")
      yield* both(Option.some("c"), ["a"], 1)
      yield* running.awaitPosition(yield* writer.delete("c"))
      yield* both(Option.some("a"), [], 0)
      yield* set("b", "x")
      yield* both(Option.some("a"), ["b"], 1)
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("tells which rows a function throws for, and goes on", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [
        { key: "a", value: "1" },
        { key: "b", value: "x" }
      ])
      const broken = new Error("of the user")
      const indexes = TableIndex.define<string, string>()((index) => ({
        number: index.sorted((value) => {
          if (value === "throw") throw broken
          return Number(value)
        }),
        other: index.hash((value) => value)
      }))
      const table = yield* KafkaTable.make({ topic, value: Codec.utf8, ensureTopic: false }, indexes).pipe(on(cluster))
      assert.deepStrictEqual(yield* table.by("number").stats, { entries: 1, leftOut: 1, problems: 0, conflicts: 0 })
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(
        Stream.runForEach(table.by("number").problems, (problem) => Effect.sync(() => seen.push(problem)))
      )
      yield* settle
      cluster.append(topic, [
        { key: "c", value: "throw" },
        { key: "d", value: "4" }
      ])
      yield* until(() => seen.length === 1)
      assert.deepStrictEqual(seen, [{ index: "number", key: "c", cause: broken }])
      assert.deepStrictEqual(yield* table.by("number").stats, { entries: 2, leftOut: 2, problems: 1, conflicts: 0 })
      assert.deepStrictEqual(keys(yield* table.by("other").get("throw")), ["c"])
      cluster.append(topic, [{ key: "c", value: "3" }])
      yield* until(() => table.unsafeSnapshot().getOrUndefined("c") === "3")
      assert.deepStrictEqual(keys(yield* table.by("number").range()), ["a", "c", "d"])
      assert.deepStrictEqual(yield* table.by("number").stats, { entries: 3, leftOut: 1, problems: 1, conflicts: 0 })
    })
  )

  it.effect("has what another life of its topic has, and its snapshots what they had", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(300, "old"))
      const indexes = TableIndex.define<string, string>()((index) => ({ value: index.hash((value) => value) }))
      const settings = { topic, value: Codec.utf8, ensureTopic: false, restart: Schedule.spaced("1 second") }
      const table = yield* KafkaTable.make(settings, indexes).pipe(on(cluster))
      const before = table.unsafeSnapshot()
      assert.strictEqual(before.by("value").count("old"), 300)
      cluster.createTopic(topic)
      cluster.append(topic, records(20, "new"))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k00000") === "new")
      assert.deepStrictEqual([yield* table.by("value").count("new"), yield* table.by("value").count("old")], [20, 0])
      assert.deepStrictEqual([before.by("value").count("new"), before.by("value").count("old")], [0, 300])
    })
  )

  it.effect("goes by its tag also if that is any class of a service, with or without indexes", () =>
    Effect.gen(function* () {
      class Plain extends Context.Service<Plain, KafkaTable.KafkaTable<string, string>>()("app/Plain") {}
      class Tagged extends KafkaTable.Tag("app/Tagged")<Tagged, string, string>() {}
      const layers = Layer.mergeAll(
        KafkaTable.layer(Plain, { topic: "plain", value: Codec.utf8 }),
        KafkaTable.layer(Tagged, { topic: "tagged", value: Codec.utf8 })
      )
      yield* Effect.gen(function* () {
        const [plain, tagged] = [yield* Plain, yield* Tagged]
        assert.deepStrictEqual([plain.topic, tagged.topic], ["plain", "tagged"])
        assert.deepStrictEqual(yield* plain.query(), [])
      }).pipe(Effect.provide(layers))
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("refuses what are no indexes, all of them at once", () =>
    Effect.gen(function* () {
      const table = { topic: "users", value: Codec.utf8 }
      const wrong = (indexes: unknown) =>
        Effect.map(Effect.flip(KafkaTable.make<string, string>(table, indexes as {})), (error) => {
          assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
          return error.message
        })
      const builder = TableIndex.define<string, string>()
      const message = yield* wrong({
        one: 5,
        two: builder((index) => ({ x: index.hash("name" as never) })).x,
        three: builder((index) => ({ x: index.sorted((v) => v, { where: 5 as never, order: {} as never }) })).x
      })
      for (const say of [
        "indexes.one",
        "indexes.two",
        "index.sorted((value)",
        "indexes.three: where",
        "order must be"
      ]) {
        assert.include(message, say)
      }
      assert.include(yield* wrong(5), "indexes: must be an object")
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )
})

describe("indexes that take longer than the start may", () => {
  const ROWS = 8_000

  /** How the acquisition of a table ended whose index is being built when the time of the start is over. */
  const acquiring = (settings: KafkaTable.TableSettings) =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(ROWS, "1"))
      const gate = { isBegun: false, isOpen: false }
      const indexes = TableIndex.define<string, string>()((index) => ({ value: index.hash((value) => value) }))
      const { keyOf } = indexes.value
      const slow = {
        value: {
          ...indexes.value,
          keyOf: (...args: Parameters<typeof keyOf>) => {
            gate.isBegun = true
            // So long that each step is a slice, until the time is over.
            const end = performance.now() + (gate.isOpen ? 0 : 0.2)
            while (performance.now() < end);
            return keyOf(...args)
          }
        }
      }
      const options = { topic, value: Codec.utf8, ensureTopic: false, catchUpTimeout: "100 millis" } as const
      const making = KafkaTable.make({ ...options, ...settings }, slow)
      const fiber = yield* Effect.forkChild(Effect.exit(Effect.scoped(on(cluster)(Effect.tap(making, look)))))
      yield* during(() => gate.isBegun)
      yield* TestClock.adjust("100 millis")
      gate.isOpen = true
      return { cluster, exit: yield* Fiber.join(fiber) }
    })

  const look = (
    table: KafkaTable.KafkaTable<string, string, { value: TableIndex.Definition<string, string, string, "hash"> }>
  ) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      assert.strictEqual(yield* table.by("value").count("1"), ROWS)
    })

  it.effect("fail it, if it is to fail then", () =>
    Effect.gen(function* () {
      const { cluster, exit } = yield* acquiring({ onCatchUpTimeout: "fail" })
      const error = failureOf(exit)
      if (error._tag !== "KafkaWaitTimeoutError") return assert.fail(error.message)
      const { afterMillis, behind, heldUpBy } = error
      assert.deepStrictEqual([afterMillis, behind], [100, []])
      assert.deepStrictEqual(heldUpBy, [{ reason: "Indexes", partitions: [] }])
      assert.match(String(error), /start timed out after 100 ms: .*its indexes are being built/)
      yield* until(() => cluster.open === 0)
    })
  )

  it.effect("are waited for otherwise, as the table is not to be had without them", () =>
    Effect.gen(function* () {
      const { exit } = yield* acquiring({})
      assert.isTrue(Exit.isSuccess(exit))
    })
  )
})

describe("indexes that are attached", () => {
  const byValue = (table: KafkaTable.KafkaTable<string, string>) =>
    TableIndex.attach(table, (index) => ({
      value: index.hash((value) => value),
      key: index.sorted((_, key) => key)
    }))

  it.effect("are built while writes go on, and are then in step, two of them at once", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(5_000, "0"))
      const table = yield* open(cluster)
      const attaching = yield* Effect.forkChild(Effect.all([byValue(table), byValue(table)], { concurrency: 2 }))
      for (let i = 1; i <= 5; i++) {
        cluster.append(topic, records(1_000, `${i}`, 500 * i))
        yield* until(() => table.unsafeSnapshot().getOrUndefined(`k0${500 * i < 1000 ? "0" : ""}${500 * i}`) === `${i}`)
      }
      const all = yield* Fiber.join(attaching)
      const check = Effect.gen(function* () {
        for (const indexed of all) {
          const snapshot = yield* indexed.snapshot
          assert.strictEqual(snapshot.version, table.unsafeSnapshot().version)
          for (let i = 0; i <= 5; i++) {
            const right = [...snapshot.entries()].filter(({ value }) => value === `${i}`).length
            assert.strictEqual(snapshot.by("value").count(`${i}`), right)
          }
          assert.deepStrictEqual(keys(snapshot.by("key").range()), [...snapshot.keys()].sort())
        }
      })
      yield* check
      cluster.append(topic, [...records(10, "1"), { key: "k00003", value: null }])
      yield* until(() => !table.unsafeSnapshot().has("k00003"))
      yield* check
      assert.deepStrictEqual(keys(yield* all[0].query({ value: "1" }, { orderBy: "key", limit: 3 })), [
        "k00000",
        "k00001",
        "k00002"
      ])
    })
  )

  it.effect("are gone with their scope, and hold nothing up after it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(10, "0"))
      const table = yield* open(cluster)
      const { building, roots, views } = publicationOf(table)
      const scope = yield* Scope.make()
      const indexed = yield* Scope.provide(byValue(table), scope)
      assert.strictEqual(views.size, 2)
      const held = yield* indexed.snapshot
      const { problems } = indexed.by("value")
      const waiting = yield* Effect.forkChild(Stream.runDrain(problems))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([views.size, building.size], [0, 0])
      // Nothing more would be told to who listens, or comes to listen.
      yield* settle
      assert.isTrue(hasEnded(waiting))
      yield* Stream.runDrain(problems)
      cluster.append(topic, records(1, "1"))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k00000") === "1")
      assert.strictEqual(held.by("value").count("0"), 10)
      const exit = yield* Effect.exit(indexed.by("value").count("0"))
      assert.include(toldBy(exit), "the index has ended")
      for (const root of roots) assert.strictEqual(root.holds, 0)
    })
  )

  it.effect("to a scope that is closed while they are built are dropped, and let the table make room again", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(20_000, "0"))
      const table = yield* open(cluster)
      const { building, roots, views } = publicationOf(table)
      for (const way of ["interrupt", "close", "closed"] as const) {
        const scope = yield* Scope.make()
        if (way === "closed") yield* Scope.close(scope, Exit.void)
        const fiber = yield* Effect.forkChild(Scope.provide(byValue(table), scope))
        yield* during(() => building.size > 0)
        if (way === "interrupt") yield* Fiber.interrupt(fiber)
        if (way === "close") yield* Scope.close(scope, Exit.void)
        const exit = yield* Fiber.await(fiber)
        assert.strictEqual(Exit.isSuccess(exit), way !== "interrupt")
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual([views.size, building.size], [0, 0], way)
        for (const root of roots) assert.deepStrictEqual([root.holds, root.graph.isBusy], [0, false], way)
      }
    })
  )

  it.effect("to a table that has ended have what it shows", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(10, "0"))
      const scope = yield* Scope.make()
      const closed = yield* Scope.provide(open(cluster), scope)
      yield* Scope.close(scope, Exit.void)
      const failed = yield* open(cluster)
      cluster.deleteTopic(topic)
      yield* until(() => publicationOf(failed).ended !== undefined)
      for (const table of [closed, failed]) {
        const indexed = yield* byValue(table)
        assert.strictEqual(yield* indexed.by("value").count("0"), 10)
        assert.deepStrictEqual(keys(yield* indexed.by("key").prefix("k00003")), ["k00003"])
        const problems = yield* Effect.exit(Stream.runDrain(indexed.by("value").problems))
        assert.strictEqual(Exit.isSuccess(problems), table === closed)
        assert.strictEqual(publicationOf(table).views.size, 0)
      }
    })
  )

  it.effect("to what is no table, or that are none, are refused", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const wrong = (what: unknown, define: unknown) =>
        Effect.map(Effect.exit(TableIndex.attach(what as typeof table, define as () => {})), (exit) => {
          return toldBy(exit)
        })
      for (const what of [null, 5, {}]) {
        assert.include(yield* wrong(what, () => ({})), "table: must be a table of this library")
      }
      assert.include(yield* wrong(table, () => undefined), "indexes: must be an object")
      assert.include(yield* wrong(table, () => ({ a: 5 })), "indexes.a: must be made by the builder")
    })
  )
})

describe("the first range of keys", () => {
  it.effect("waits until the order is made, and all that ask meanwhile wait for the same one", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(20_000, "0"))
      const table = yield* open(cluster)
      const { views } = publicationOf(table)
      const first = yield* Effect.forkChild(table.count({ lt: "k00100" }))
      yield* settle
      const others = yield* Effect.forkChild(
        Effect.all([table.range({ lt: "k00003" }), table.prefix("k0000", { limit: 3 }), table.page({}, { limit: 3 })], {
          concurrency: 3
        })
      )
      assert.strictEqual(yield* Fiber.join(first), 100)
      const [range, prefix, page] = yield* Fiber.join(others)
      for (const found of [range, prefix, page.entries])
        assert.deepStrictEqual(keys(found), ["k00000", "k00001", "k00002"])
      assert.strictEqual(views.size, 1)
      cluster.append(topic, [{ key: "k00000", value: null }])
      yield* until(() => table.unsafeSnapshot().size === 19_999)
      assert.deepStrictEqual(keys(yield* table.range({}, { limit: 1 })), ["k00001"])
      assert.strictEqual(views.size, 1)
    })
  )

  it.effect("may be interrupted: the order is made for those who come later", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(20_000, "0"))
      const table = yield* open(cluster)
      const { building, roots, views } = publicationOf(table)
      const first = yield* Effect.forkChild(table.range())
      yield* during(() => building.size === 1)
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(keys(yield* table.range({ gte: "k19999" })), ["k19999"])
      assert.deepStrictEqual([views.size, building.size], [1, 0])
      for (const root of roots) assert.strictEqual(root.holds, 0)
    })
  )

  it.effect("of a table that is closed, was closed meanwhile, or has failed, has what it shows", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(20_000, "0"))
      const last = ["k19998", "k19999"]
      const check = (table: KafkaTable.KafkaTable<string, string>) =>
        Effect.map(table.range({ gte: "k19998" }), (found) => assert.deepStrictEqual(keys(found), last))
      const scope = yield* Scope.make()
      const closed = yield* Scope.provide(open(cluster), scope)
      const asked = yield* Effect.forkChild(check(closed))
      yield* during(() => publicationOf(closed).building.size === 1)
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(asked)
      yield* check(closed)
      const failed = yield* open(cluster)
      cluster.deleteTopic(topic)
      yield* until(() => publicationOf(failed).ended !== undefined)
      yield* check(failed)
      for (const table of [closed, failed]) {
        const { building, views } = publicationOf(table)
        assert.deepStrictEqual([views.size, building.size], [0, 0])
      }
    })
  )

  it.effect("that nobody can mean is a defect; a cursor that is none is a failure", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const range = yield* Effect.exit(table.range({ gte: null as never }))
      assert.include(toldBy(range), "range.gte: must be a key of the table")
      const error = yield* Effect.flip(table.page({}, { after: "garbage" }))
      assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
    })
  )
})
