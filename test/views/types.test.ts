/** What the compiler refuses of questions to tables. */
/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- What does not compile has no type. */
import { describe, expectTypeOf, it } from "vitest"
import type { Effect, Option } from "effect"
import { KafkaTable, TableIndex, type LiveTable, type TableSnapshot } from "../../src/index.ts"

interface User {
  readonly email: string
  readonly age: number | undefined
  readonly city: "Rome" | "Oslo"
  readonly tags: ReadonlyArray<string>
  readonly active: boolean
  readonly since: Date
}

class Users extends KafkaTable.Tag("app/Users")<Users, string, User>().withIndexes((index) => ({
  email: index.unique((user) => user.email),
  city: index.hash((user) => user.city),
  tag: index.multi((user) => user.tags),
  age: index.sorted((user) => user.age),
  active: index.hash((user) => user.active),
  since: index.sorted((user) => user.since),
  place: index.sorted((user) => [user.city, user.email] as const)
})) {}

declare const users: (typeof Users)["Service"]
declare const plain: KafkaTable.KafkaTable<string, User>
type Entry = TableSnapshot.RecordEntry<string, User>

/** What is only to be compiled. */
const compiled = (_: () => unknown): void => {}

describe("the compiler", () => {
  it("knows what an index gives", () => {
    compiled(() => {
      expectTypeOf(Users.indexes).toExtend<TableIndex.Indexes>()
      expectTypeOf(users.by("email").get("a")).toEqualTypeOf<Effect.Effect<Option.Option<Entry>>>()
      expectTypeOf(users.by("city").get("Rome")).toEqualTypeOf<Effect.Effect<ReadonlyArray<Entry>>>()
      expectTypeOf(users.by("age").range({ gte: 1 })).toEqualTypeOf<Effect.Effect<ReadonlyArray<Entry>>>()
      expectTypeOf(users.unsafeSnapshot().by("age").range()).toEqualTypeOf<Iterable<Entry>>()
      expectTypeOf(users.by("active").get(false)).toEqualTypeOf<Effect.Effect<ReadonlyArray<Entry>>>()
      return [
        users.query({ tag: "a", age: { gte: 1 }, city: "Rome", since: new Date() }, { orderBy: "age", limit: 3 }),
        users.by("place").prefix(["Rome"]),
        users.by("since").range({ lt: new Date() })
      ]
    })
  })

  it("takes what may be undefined where that says nothing", () => {
    compiled(() => {
      const [after, limit, age]: readonly [string?, number?, number?] = []
      return [
        users.by("age").page({ gte: age, lt: age }, { after, limit, reverse: undefined }),
        users.range({ prefix: after, gt: after }, { limit }),
        users.live({ age: { lte: age } }, { orderBy: limit === undefined ? undefined : "age", limit }),
        // @ts-expect-error: without the name it would be a question for all rows
        users.query({ age })
      ]
    })
  })

  it("refuses names that there are not", () => {
    compiled(() => [
      // @ts-expect-error: no such index
      users.by("name"),
      // @ts-expect-error: no such index
      users.query({ name: "a" }),
      // @ts-expect-error: no such index
      users.query({}, { orderBy: "name" }),
      // @ts-expect-error: a table without indexes
      plain.by("email")
    ])
  })

  it("refuses keys of another type", () => {
    compiled(() => [
      // @ts-expect-error: a text is asked for
      users.by("email").get(5),
      // @ts-expect-error: no such city
      users.by("city").get("Bern"),
      // @ts-expect-error: a number is asked for
      users.by("age").range({ gte: "5" }),
      // @ts-expect-error: a number is asked for
      users.query({ age: "5" }),
      // @ts-expect-error: a number is asked for
      users.query({ age: { gte: "5" } }),
      // @ts-expect-error: one tag, and not several
      users.query({ tag: ["a"] }),
      // @ts-expect-error: numbers have no prefix
      users.by("age").prefix(5),
      // @ts-expect-error: a date is asked for
      users.by("since").range({ gte: 5 }),
      // @ts-expect-error: the key is a text
      users.range({ gte: 5 })
    ])
  })

  it("refuses ranges and orders of what has no order", () => {
    compiled(() => [
      // @ts-expect-error: a hash index has no ranges
      users.by("city").range({}),
      // @ts-expect-error: a unique index has no ranges
      users.by("email").range({}),
      // @ts-expect-error: a hash index has no ranges
      users.query({ city: { gte: "Oslo" } }),
      // @ts-expect-error: a hash index has no order
      users.query({}, { orderBy: "city" }),
      // @ts-expect-error: a multi index has no order
      users.query({}, { orderBy: "tag" }),
      // @ts-expect-error: only a unique index has conflicts
      users.by("city").conflicts
    ])
  })

  it("refuses functions that give what is no key", () => {
    compiled(() =>
      TableIndex.define<string, User>()((index) => ({
        // @ts-expect-error: an object is no key
        object: index.hash((user) => ({ city: user.city })),
        // @ts-expect-error: the value has no such field
        unknown: index.hash((user) => user.name as string),
        // @ts-expect-error: the order is one of other keys
        order: index.sorted((user) => user.email, { order: (a: number, b: number) => (a < b ? -1 : 1) })
      }))
    )
  })

  it("takes tables with and without indexes where any table will do", () => {
    compiled(() => {
      const any: ReadonlyArray<LiveTable.AnyTable<string, User>> = [users, plain]
      const attached = [users, plain].map((table) => TableIndex.attach(table, () => ({})))
      const more = TableIndex.attach(users, (index) => ({ name: index.hash((user) => user.email) }))
      expectTypeOf(more).toExtend<
        Effect.Effect<TableIndex.Attached<string, User, Entry, TableIndex.Indexes>, never, unknown>
      >()
      return [any, attached]
    })
  })
})
