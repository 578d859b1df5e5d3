/** What derived tables do at their edges: bad functions, groups of all kinds of keys, ends, waits, other tables' turns. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Schema, Scope, Stream } from "effect"
import {
  Aggregate,
  Codec,
  DerivedTable,
  KafkaClient,
  KafkaError,
  KafkaTable,
  KafkaTableWriter,
  LiveTable,
  Position
} from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import { handTable } from "./handTable.ts"

interface Sale {
  readonly country: string
  readonly amount: number
}

const pairs = <K, V>(table: { readonly unsafeSnapshot: () => Iterable<readonly [K, V]> }) => [...table.unsafeSnapshot()]

const turn = Effect.promise(() => new Promise<void>((done) => setImmediate(done)))

describe("a function that throws", () => {
  const broken = new Error("of a function")

  it.effect("leaves its row out, which is counted and told, and comes back when it throws no more", () =>
    Effect.gen(function* () {
      const sales = yield* handTable<Sale>()
      yield* sales.write([
        ["a", { country: "DE", amount: 1 }],
        ["b", { country: "DE", amount: -1 }]
      ])
      const table = yield* DerivedTable.make(
        DerivedTable.from(sales.table).pipe(
          DerivedTable.map((sale) => {
            if (sale.amount < 0) throw broken
            return sale.amount
          })
        )
      )
      assert.deepStrictEqual(pairs(table), [["a", 1]])
      assert.deepStrictEqual(yield* table.stats, { entries: 1, leftOut: 1, problems: 1 })
      const problems = yield* Effect.forkChild(Stream.runCollect(Stream.take(table.problems, 1)))
      yield* turn
      yield* sales.write([["a", { country: "DE", amount: -2 }]])
      assert.deepStrictEqual(Array.from(yield* Fiber.join(problems)), [{ key: "a", cause: broken }])
      assert.deepStrictEqual(yield* table.stats, { entries: 0, leftOut: 2, problems: 2 })
      yield* sales.write([
        ["a", undefined],
        ["b", { country: "DE", amount: 3 }]
      ])
      assert.deepStrictEqual(pairs(table), [["b", 3]])
      assert.deepStrictEqual(yield* table.stats, { entries: 1, leftOut: 0, problems: 2 })
    })
  )

  it.effect("of any step, or of an aggregate, hurts nobody else", () =>
    Effect.gen(function* () {
      const sales = yield* handTable<Sale>()
      const bad = (sale: Sale) => {
        if (sale.country === "XX") throw broken
        return sale.country
      }
      const tables = {
        filter: yield* DerivedTable.make(
          DerivedTable.from(sales.table).pipe(DerivedTable.filter((sale) => bad(sale) !== ""))
        ),
        on: yield* DerivedTable.make(
          DerivedTable.from(sales.table).pipe(
            DerivedTable.leftJoin(sales.table, { on: bad, select: (sale) => sale.amount })
          )
        ),
        select: yield* DerivedTable.make(
          DerivedTable.from(sales.table).pipe(
            DerivedTable.leftJoin(sales.table, { on: () => undefined, select: (sale) => bad(sale) })
          )
        ),
        by: yield* DerivedTable.make(
          DerivedTable.from(sales.table).pipe(DerivedTable.groupBy(bad, { n: Aggregate.count }))
        ),
        of: yield* DerivedTable.make(
          DerivedTable.from(sales.table).pipe(
            DerivedTable.groupBy((sale) => sale.country, { n: Aggregate.count, max: Aggregate.max(bad) })
          )
        ),
        add: yield* DerivedTable.make(
          DerivedTable.from(sales.table).pipe(
            DerivedTable.groupBy((sale) => sale.country, {
              n: Aggregate.count,
              own: Aggregate.make({
                of: (sale: Sale) => sale,
                empty: 0,
                add: (total, sale) => total + bad(sale).length,
                remove: (total, sale) => {
                  if (total > 2) throw broken
                  return total - bad(sale).length
                },
                result: (total) => total
              })
            })
          )
        )
      }
      yield* sales.write([
        ["a", { country: "DE", amount: 1 }],
        ["b", { country: "XX", amount: 2 }],
        ["c", { country: "DE", amount: 3 }]
      ])
      assert.deepStrictEqual([...tables.filter.unsafeSnapshot().keys()], ["a", "c"])
      assert.deepStrictEqual(pairs(tables.on), [
        ["a", 1],
        ["c", 3]
      ])
      assert.deepStrictEqual([...tables.select.unsafeSnapshot().keys()], ["a", "c"])
      assert.deepStrictEqual(pairs(tables.by), [["DE", { n: 2 }]])
      assert.deepStrictEqual(pairs(tables.of), [["DE", { n: 2, max: "DE" }]])
      assert.deepStrictEqual(pairs(tables.add), [["DE", { n: 2, own: 4 }]])
      for (const table of Object.values(tables)) assert.strictEqual((yield* table.stats).leftOut, 1)
      // A total that cannot be undone is added up anew.
      yield* sales.write([["a", undefined]])
      assert.deepStrictEqual(pairs(tables.add), [["DE", { n: 1, own: 2 }]])
    })
  )

  it.effect("a sum is of finite numbers only, and exact", () =>
    Effect.gen(function* () {
      const sales = yield* handTable<Sale>()
      const table = yield* DerivedTable.make(
        DerivedTable.from(sales.table).pipe(
          DerivedTable.groupBy((sale) => sale.country, { total: Aggregate.sum((sale: Sale) => sale.amount) })
        )
      )
      yield* sales.write([
        ["a", { country: "DE", amount: 0.1 }],
        ["b", { country: "DE", amount: 0.2 }],
        ["c", { country: "DE", amount: Number.NaN }],
        ["d", { country: "DE", amount: Number.POSITIVE_INFINITY }],
        ["e", { country: "DE", amount: 1e300 }]
      ])
      assert.deepStrictEqual((yield* table.stats).leftOut, 2)
      yield* sales.write([["e", undefined]])
      assert.deepStrictEqual(pairs(table), [["DE", { total: 0.30000000000000004 }]])
      yield* sales.write([["a", undefined]])
      assert.deepStrictEqual(pairs(table), [["DE", { total: 0.2 }]])
    })
  )
})

describe("the least and the greatest of a group", () => {
  type Part = number | bigint | Date | ReadonlyArray<Date | number | string> | undefined

  const extremes = Effect.gen(function* () {
    const rows = yield* handTable<Part>()
    const table = yield* DerivedTable.make(
      DerivedTable.from(rows.table).pipe(
        DerivedTable.groupBy(() => "all", {
          n: Aggregate.count,
          least: Aggregate.min((part: Part) => part),
          greatest: Aggregate.max((part: Part) => part)
        })
      )
    )
    const bounds = () => {
      const found = table.unsafeSnapshot().getOrUndefined("all")
      return [found?.least, found?.greatest]
    }
    return { rows, bounds }
  })

  it.effect("are what rows have: a date stays one, and a number one, whatever there is and was beside it", () =>
    Effect.gen(function* () {
      const { bounds, rows } = yield* extremes
      yield* rows.write([["a", 5]])
      assert.deepStrictEqual(bounds(), [5, 5])
      yield* rows.write([
        ["b", new Date(10)],
        ["c", new Date(3)]
      ])
      assert.deepStrictEqual(bounds(), [new Date(3), new Date(10)])
      yield* rows.write([["d", 20]])
      assert.deepStrictEqual(bounds(), [new Date(3), 20])
      yield* rows.write([
        ["b", undefined],
        ["c", undefined]
      ])
      assert.deepStrictEqual(bounds(), [5, 20])
      yield* rows.write([["e", -0]])
      assert.deepStrictEqual(bounds(), [0, 20])
      yield* rows.write(["a", "b", "c", "d", "e"].map((key) => [key, undefined] as const))
      yield* rows.write([
        ["f", [new Date(2), "b"]],
        ["g", [1, "a"]]
      ])
      assert.deepStrictEqual(bounds(), [
        [1, "a"],
        [new Date(2), "b"]
      ])
    })
  )

  it.effect(
    "of what is the same but for its type are the same, whichever was there first: numbers, bigints, dates",
    () =>
      Effect.gen(function* () {
        const same = [5, 5n, new Date(5), [1, new Date(5)], [1, 5], [new Date(1), 5]]
        const lists: ReadonlyArray<ReadonlyArray<Part>> = [same.slice(0, 3), same.slice(1, 3), same.slice(3)]
        const expected: ReadonlyArray<ReadonlyArray<Part>> = [
          [5, new Date(5)],
          [5n, new Date(5)],
          [
            [1, 5],
            [new Date(1), 5]
          ]
        ]
        for (const [i, parts] of lists.entries()) {
          for (const order of [parts, parts.toReversed(), [...parts.slice(1), parts[0]]]) {
            const { bounds, rows } = yield* extremes
            yield* rows.write(order.map((part, n) => [`k${n}`, part] as const))
            assert.deepStrictEqual(bounds(), expected[i])
            // and when rows have come and gone
            yield* rows.write(order.map((_, n) => [`k${n}`, undefined] as const))
            yield* rows.write(order.map((part, n) => [`l${n}`, part] as const))
            yield* rows.compact
            yield* rows.write([["m", order[0]]])
            assert.deepStrictEqual(bounds(), expected[i])
          }
        }
      })
  )

  it.effect("are not those that somebody has got and set to another time", () =>
    Effect.gen(function* () {
      const { bounds, rows } = yield* extremes
      const [date, list] = [new Date(3), [new Date(1), 1]] as const
      for (const [given, least] of [
        [date, new Date(3)],
        [list, [new Date(1), 1]]
      ] as const) {
        yield* rows.write([["a", given]])
        for (const each of [given, ...bounds()]) {
          const found = Array.isArray(each) ? (each as ReadonlyArray<unknown>)[0] : each
          ;(found as Date).setTime(50)
        }
        yield* rows.write([["b", Array.isArray(given) ? [99, 99] : 99]])
        assert.deepStrictEqual(bounds()[0], least)
        yield* rows.write([["b", undefined]])
      }
    })
  )
})

describe("groups", () => {
  it.effect("are of dates or of numbers, and of the same whichever row was there first", () =>
    Effect.gen(function* () {
      const keys: ReadonlyArray<number | Date | ReadonlyArray<number | Date>> = [
        5,
        new Date(5),
        [5, 1],
        [new Date(5), 1]
      ]
      for (const order of [keys, keys.toReversed()]) {
        const rows = yield* handTable<(typeof keys)[number]>()
        const table = yield* DerivedTable.make(
          DerivedTable.from(rows.table).pipe(DerivedTable.groupBy((value) => value, { n: Aggregate.count }))
        )
        yield* rows.write(order.map((key, i) => [`k${i}`, key] as const))
        assert.deepStrictEqual(
          (yield* table.range()).map(({ key }) => key),
          keys
        )
        for (const key of keys) assert.deepStrictEqual(yield* table.get(key), Option.some({ n: 1 }))
        assert.deepStrictEqual(
          (yield* table.prefix([new Date(5)] as never)).map(({ key }) => key),
          [[new Date(5), 1]]
        )
      }
    })
  )

  it.effect("have keys of any kind, by which they are found and in order", () =>
    Effect.gen(function* () {
      const rows = yield* handTable<
        string | number | boolean | bigint | Date | ReadonlyArray<string | number> | undefined
      >()
      const table = yield* DerivedTable.make(
        DerivedTable.from(rows.table).pipe(DerivedTable.groupBy((value) => value, { n: Aggregate.count }))
      )
      const noon = new Date(12 * 3600 * 1000)
      const keys = ["b", "a", 2, -1, 10, -0, true, 7n, -7n, noon, ["x", 1], ["x", -1], ["w"], Number.NaN] as const
      yield* rows.write(keys.flatMap((key, i) => [[`k${i}`, key] as const, [`l${i}`, key] as const]))
      for (const key of keys.slice(0, -1)) assert.deepStrictEqual(yield* table.get(key), Option.some({ n: 2 }))
      assert.deepStrictEqual(yield* table.get(0), Option.some({ n: 2 }))
      assert.deepStrictEqual(yield* table.get(Number.NaN), Option.none())
      assert.strictEqual(yield* table.size, keys.length - 1)
      const inOrder = (yield* table.range()).map(({ key }) => key)
      assert.deepStrictEqual(inOrder, ["a", "b", true, -1, 0, 2, 10, noon, -7n, 7n, ["w"], ["x", -1], ["x", 1]])
      assert.deepStrictEqual(
        (yield* table.prefix(["x"] as never)).map(({ key }) => key),
        [
          ["x", -1],
          ["x", 1]
        ]
      )
      const watched = yield* Effect.forkChild(Stream.runCollect(Stream.take(table.watch(2), 2)))
      yield* turn
      yield* rows.write([["k2", 3]])
      assert.deepStrictEqual(Array.from(yield* Fiber.join(watched)), [Option.some({ n: 2 }), Option.some({ n: 1 })])
    })
  )

  it.effect("come and go by the thousand, and leave no room behind; what hangs on them follows", () =>
    Effect.gen(function* () {
      const rows = yield* handTable<number>()
      const groups = yield* DerivedTable.make(
        DerivedTable.from(rows.table).pipe(
          DerivedTable.groupBy((value) => value, { n: Aggregate.count, least: Aggregate.min((value: number) => value) })
        ),
        {
          n: {
            kind: "sorted",
            keyOf: ({ n }: { readonly n: number }) => n,
            where: undefined,
            order: undefined
          } as never
        }
      )
      const doubled = yield* DerivedTable.make(
        DerivedTable.from(groups).pipe(
          DerivedTable.filter((group) => group.n > 0),
          DerivedTable.map((group, key) => [key, group.n, group.least] as const)
        )
      )
      const same = yield* DerivedTable.make(DerivedTable.from(groups).pipe(DerivedTable.filter((group) => group.n > 1)))
      for (let round = 0; round < 6; round++) {
        yield* rows.write(
          Array.from({ length: 3000 }, (_, i) => [`k${i}`, Math.floor((round * 3000 + i) / 2)] as const)
        )
        const expected = Array.from({ length: 1500 }, (_, i) => round * 1500 + i)
        assert.deepStrictEqual(
          [...groups.unsafeSnapshot().keys()].sort((a, b) => a - b),
          expected
        )
        assert.deepStrictEqual(
          [...doubled.unsafeSnapshot().values()].sort((a, b) => a[0] - b[0]),
          expected.map((key) => [key, 2, key] as const)
        )
        assert.deepStrictEqual(
          [...same.unsafeSnapshot()].sort(([a], [b]) => a - b).map(([key, { n }]) => [key, n]),
          expected.map((key) => [key, 2])
        )
        const by = groups.unsafeSnapshot() as unknown as { by: (name: string) => { count: (range: object) => number } }
        assert.strictEqual(by.by("n").count({ gte: 2 }), 1500)
      }
    })
  )
})

class User extends Schema.Class<User>("User")({ name: Schema.String, team: Schema.String }) {}

class Users extends KafkaTable.Tag("Users")<Users, string, User>() {}
class Teams extends KafkaTable.Tag("Teams")<Teams, string, string>() {}

interface Member {
  readonly name: string
  readonly team: string
}

class Members extends DerivedTable.Tag("Members")<Members, string, Member>().withIndexes((index) => ({
  team: index.hash((member) => member.team)
})) {}
class Sizes extends DerivedTable.Tag("Sizes")<Sizes, string, { readonly n: number }>() {}

const users = { topic: "users", value: Codec.json(User) }
const teams = { topic: "teams", value: Codec.utf8 }

const members = DerivedTable.from(Users).pipe(
  DerivedTable.join(Teams, { on: (user) => user.team, select: (user, team) => ({ name: user.name, team }) })
)
const sizes = DerivedTable.from(Members).pipe(DerivedTable.groupBy((member) => member.team, { n: Aggregate.count }))

/** What each layer needs is in its type. */
const layers: Layer.Layer<Sizes | Members, KafkaError.InvalidOptionsError, Users | Teams> = DerivedTable.layer(
  Sizes,
  sizes
).pipe(Layer.provideMerge(DerivedTable.layer(Members, members)))

const tables = layers.pipe(
  Layer.provideMerge(Layer.mergeAll(KafkaTable.layer(Users, users), KafkaTable.layer(Teams, teams)))
)

describe("tables of layers", () => {
  it.effect("are read right after the position of a write, of any of their topics", () =>
    Effect.gen(function* () {
      const [userWriter, teamWriter] = [yield* KafkaTableWriter.make(users), yield* KafkaTableWriter.make(teams)]
      yield* userWriter.set("1", new User({ name: "Ada", team: "t1" }))
      yield* Effect.gen(function* () {
        const all = yield* Members
        const counts = yield* Sizes
        assert.strictEqual(yield* all.size, 0)
        const at = yield* teamWriter.set("t1", "Engines")
        yield* counts.awaitPosition(at)
        assert.deepStrictEqual(yield* counts.get("Engines"), Option.some({ n: 1 }))
        const both = [
          yield* userWriter.set("2", new User({ name: "Grace", team: "t2" })),
          yield* teamWriter.set("t2", "Compilers")
        ]
        yield* all.awaitPosition(both)
        assert.deepStrictEqual(
          (yield* all.by("team").get("Compilers")).map(({ value }) => value.name),
          ["Grace"]
        )
        yield* userWriter.delete("1")
        yield* counts.barrier()
        assert.deepStrictEqual(pairs(counts), [["Compilers", { n: 1 }]])
        const elsewhere = Position.make({ topic: "elsewhere", partition: 0, offset: 0 })
        const error = yield* Effect.flip(counts.awaitPosition(elsewhere))
        assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
        assert.include(error.message, "elsewhere")
        assert.isTrue((yield* counts.freshness).connected)
        const found = yield* Stream.make("2", "9").pipe(
          DerivedTable.lookupJoin(all, { on: (id) => id, select: (id, member) => `${id}: ${member.name}` }),
          Stream.runCollect
        )
        assert.deepStrictEqual(Array.from(found), ["2: Grace"])
        const named = yield* Stream.make("2", "9").pipe(
          DerivedTable.lookupLeftJoin(all, { on: (id) => id, select: (id, member) => [id, Option.isSome(member)] }),
          Stream.runCollect
        )
        assert.deepStrictEqual(Array.from(named), [
          ["2", true],
          ["9", false]
        ])
      }).pipe(Effect.provide(tables))
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )
})

describe("the end", () => {
  const failure = new KafkaError.TopicError({ reason: "Deleted", topic: "by.hand", detail: "gone" })

  it.effect("of a source is that of all that is made of it, with its failure", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      yield* source.write([["a", 1]])
      const one = yield* DerivedTable.make(DerivedTable.from(source.table).pipe(DerivedTable.map((n) => n + 1)))
      const two = yield* DerivedTable.make(
        DerivedTable.from(one).pipe(DerivedTable.groupBy((n) => n, { n: Aggregate.count }))
      )
      const waiting = yield* Effect.forkChild(Effect.exit(Stream.runDrain(two.changes)))
      yield* turn
      source.fail(failure)
      assert.deepStrictEqual(yield* Fiber.join(waiting), Exit.fail(failure))
      assert.deepStrictEqual(yield* Effect.exit(two.failure), Exit.fail(failure))
      assert.deepStrictEqual(yield* Effect.exit(two.barrier()), Exit.fail(failure))
      const status = yield* Stream.runHead(Stream.fromEffect(Effect.succeed(two.status)))
      assert.isTrue(Option.isSome(status))
      assert.deepStrictEqual(pairs(two), [[2, { n: 1 }]])
      // One that is made later shows what there is.
      const late = yield* DerivedTable.make(DerivedTable.from(two).pipe(DerivedTable.map(({ n }) => n)))
      assert.deepStrictEqual(pairs(late), [[2, 1]])
      assert.deepStrictEqual(yield* Effect.exit(Stream.runDrain(late.changes)), Exit.fail(failure))
    })
  )

  it.effect("by being closed ends its streams, fails its waits, and is not that of its sources", () =>
    Effect.gen(function* () {
      const source = yield* handTable<number>()
      const scope = yield* Scope.make()
      const table = yield* Scope.provide(
        DerivedTable.make(DerivedTable.from(source.table).pipe(DerivedTable.filter((n) => n > 0))),
        scope
      )
      const changes = yield* Effect.forkChild(Stream.runCollect(table.changesWith(LiveTable.sliding(10))))
      yield* turn
      yield* source.write([["a", 1]])
      yield* turn
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(Array.from(yield* Fiber.join(changes)).length, 1)
      assert.strictEqual((yield* Effect.flip(table.barrier()))._tag, "KafkaTableClosedError")
      yield* source.write([["b", 1]])
      assert.deepStrictEqual(pairs(table), [["a", 1]])
      assert.strictEqual(source.publication.views.size, 0)
    })
  )
})

describe("two sources", () => {
  it.effect("never publish in the middle of each other", () =>
    Effect.gen(function* () {
      const [left, right] = [yield* handTable<string>("left"), yield* handTable<number>("right")]
      yield* left.write(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, `r${i % 2}`] as const))
      yield* right.write([
        ["r0", 0],
        ["r1", 0]
      ])
      const joined = yield* DerivedTable.make(
        DerivedTable.from(left.table).pipe(
          DerivedTable.join(right.table, { on: (key) => key, select: (key, n) => `${key}=${n}` })
        )
      )
      const seen: Array<string> = []
      const watching = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            turn,
            Effect.sync(() => {
              const values = new Set(joined.unsafeSnapshot().values())
              const sources = [...right.table.unsafeSnapshot().values()].join()
              assert.isAtMost(values.size, 2)
              seen.push(`${sources}: ${[...values].sort().join()}`)
            })
          )
        )
      )
      const writes = Array.from({ length: 6 }, (_, i) =>
        Effect.gen(function* () {
          yield* right.write([
            ["r0", i],
            ["r1", i]
          ])
        })
      )
      const other = Array.from({ length: 6 }, (_, i) => left.write([["k0", i % 2 === 0 ? "r1" : "r0"]]))
      yield* Effect.all([Effect.all(writes, { discard: true }), Effect.all(other, { discard: true })], {
        concurrency: "unbounded",
        discard: true
      })
      yield* Fiber.interrupt(watching)
      // What the joined table shows is what its sources show, at each turn of the event loop.
      for (const line of new Set(seen)) {
        const [sources, values] = line.split(": ")
        const [n] = sources.split(",")
        assert.strictEqual(values, `r0=${n},r1=${n}`)
      }
      assert.deepStrictEqual([...new Set(joined.unsafeSnapshot().values())].sort(), ["r0=5", "r1=5"])
    })
  )
})
