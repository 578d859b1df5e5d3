/** What is wrong with a question to a table tells of which table it is, whatever kind of table that is. */
import { assert, describe } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  Catalog,
  Codec,
  DerivedTable,
  GroupedKafkaTable,
  KafkaClient,
  KafkaError,
  KafkaTable,
  TableFeed,
  TableIndex
} from "../../src/index.ts"
import { test } from "../support/live.ts"

/** A table of any kind, as JavaScript asks it. */
interface Asked {
  readonly [question: string]: unknown
}

type Question = (table: Asked) => unknown

const call = (self: unknown, name: string, ...args: ReadonlyArray<unknown>): unknown =>
  (self as Record<string, (...args: ReadonlyArray<unknown>) => unknown>)[name](...args)

/** Questions to keys, which all tables can be asked. */
const ofKeys: ReadonlyArray<Question> = [
  (table) => call(table, "range", { gte: {} }),
  (table) => call(table, "range", { form: "a" }),
  (table) => call(table, "range", {}, { limit: -1 }),
  (table) => call(table, "prefix", 5),
  (table) => call(table, "count", { lt: Symbol("a") }),
  (table) => call(table, "page", {}, { after: "of something else" }),
  (table) => call(table, "page", {}, { limit: 0 })
]

/** Questions to indexes: of a number, of a text, and one that is not there. */
const ofIndexes: ReadonlyArray<Question> = [
  (table) => call(table, "by", "agge"),
  (table) => call(call(table, "by", "name"), "get", Number.NaN),
  (table) => call(call(table, "by", "age"), "get", {}),
  (table) => call(call(table, "by", "age"), "range", { gt: Number.NaN }),
  (table) => call(call(table, "by", "age"), "range", { above: 1 }),
  (table) => call(call(table, "by", "age"), "range", {}, { reverse: "yes" }),
  (table) => call(call(table, "by", "age"), "prefix", 5),
  (table) => call(call(table, "by", "age"), "page", {}, { after: "nothing" }),
  (table) => call(table, "query", { agge: 5 }),
  (table) => call(table, "query", { age: Number.NaN }),
  (table) => call(table, "query", { age: { gt: Number.NaN } }),
  (table) => call(table, "query", { name: { gt: "a" } }),
  (table) => call(table, "query", {}, { orderBy: "name" }),
  (table) => call(table, "query", {}, { limit: 0.5 }),
  (table) => call(table, "explain", { agge: 5 })
]

const live: Question = (table) => call(table, "live", { age: new Date(Number.NaN) })

/** What a question fails with, dies of, or throws. */
const errorOf = (question: () => unknown): Effect.Effect<KafkaError.InvalidOptionsError> =>
  Effect.gen(function* () {
    const exit = yield* Effect.exit(
      Effect.scoped(
        Effect.suspend(() => {
          const asked = question()
          // what a snapshot gives may be read later
          if (!Effect.isEffect(asked)) return Effect.sync(() => Array.from(asked as Iterable<unknown>))
          return asked as Effect.Effect<unknown>
        })
      )
    )
    if (Exit.isSuccess(exit)) return assert.fail(`it was answered: ${String(question)}`)
    const error: unknown = Cause.squash(exit.cause)
    assert.instanceOf(error, KafkaError.InvalidOptionsError, `${String(question)}: ${String(error)}`)
    return error
  })

const expectTopic = (topic: string, table: unknown, questions: ReadonlyArray<Question>) =>
  Effect.forEach(questions, (question) =>
    Effect.gen(function* () {
      const error = yield* errorOf(() => question(table as Asked))
      assert.strictEqual(error.topic, topic, String(question))
      assert.include(error.message, `of topic "${topic}": invalid options. `, String(question))
    })
  )

const User = Schema.Struct({ name: Schema.String, age: Schema.Finite, team: Schema.String })

class Users extends KafkaTable.Tag("app/Users")<Users, string, typeof User.Type>().withIndexes((index) => ({
  age: index.sorted(({ age }) => age),
  name: index.hash(({ name }) => name)
})) {}

const value = Codec.json(User)

const onKafka = <A, E>(body: Effect.Effect<A, E, KafkaClient.KafkaClient | Scope.Scope>) =>
  body.pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))

describe("what is wrong with a question tells of which table it is", () => {
  test("a table, what is attached to it, its snapshots and its live queries", () =>
    Effect.gen(function* () {
      const users = yield* Users
      const attached = yield* TableIndex.attach(users, (index) => ({
        age: index.sorted(({ age }) => age),
        name: index.hash(({ name }) => name)
      }))
      for (const all of [users, users.unsafeSnapshot()]) yield* expectTopic("users", all, [...ofKeys, ...ofIndexes])
      for (const all of [attached, attached.unsafeSnapshot()]) yield* expectTopic("users", all, ofIndexes)
      for (const all of [users, attached]) yield* expectTopic("users", all, [live])
      const wrong: Question = (table) => TableIndex.attach(table as never, () => ({ age: 5 }) as never)
      const feed: Question = (table) => TableFeed.make(table as never, { chunkSize: 0 })
      yield* expectTopic("users", users, [wrong, feed])
      const none = yield* errorOf(() => TableIndex.attach({} as never, () => ({})))
      assert.strictEqual(none.topic, undefined)
      const position: Question = (table) => call(table, "awaitPosition", { topic: "other", partition: 0, offset: 0 })
      yield* expectTopic("users", users, [position])
    }).pipe(Effect.provide(KafkaTable.layer(Users, { topic: "users", value })), onKafka))

  test("a derived table: all topics that it is made of", () =>
    Effect.gen(function* () {
      const [users, teams] = [
        yield* KafkaTable.make({ topic: "users", value }),
        yield* KafkaTable.make({ topic: "teams", value: Codec.utf8 })
      ]
      const joined = DerivedTable.from(users).pipe(
        DerivedTable.join(teams, { on: ({ team }) => team, select: (user, team) => ({ ...user, team }) })
      )
      const derived = yield* DerivedTable.make(
        joined,
        TableIndex.define<string, typeof User.Type>()((index) => ({
          age: index.sorted(({ age }) => age),
          name: index.hash(({ name }) => name)
        }))
      )
      const both = "users, teams"
      yield* expectTopic(both, derived, [...ofKeys, ...ofIndexes, live])
      yield* expectTopic(both, derived.unsafeSnapshot(), [...ofKeys, ...ofIndexes])
      const position: Question = (table) => call(table, "awaitPosition", { topic: "other", partition: 0, offset: 0 })
      yield* expectTopic(both, derived, [position])
      yield* expectTopic(both, derived, [() => DerivedTable.make(joined, { age: 5 } as never)])
    }).pipe(onKafka))

  test("a catalog, and a grouped table", () =>
    Effect.gen(function* () {
      const keys = { rowKey: "name", indexKeys: ["team"] } as const
      const catalog = yield* Catalog.make(keys, { topic: "people", value })
      const grouped = yield* GroupedKafkaTable.make({ topic: "members", value: Codec.utf8 })
      const named: ReadonlyArray<Question> = [
        (table) => call(table, "by", "agge"),
        (table) => call(table, "query", { agge: 5 }),
        (table) => call(call(table, "by", "name"), "range", { gt: Number.NaN })
      ]
      for (const all of [catalog.table, catalog.table.unsafeSnapshot()]) {
        yield* expectTopic("people", all, [...ofKeys, ...named])
      }
      const filter: Question = () => catalog.query({ nme: "a" } as never)
      yield* expectTopic("people", catalog, [filter])
      for (const all of [grouped.table, grouped.unsafeSnapshot().table]) yield* expectTopic("members", all, ofKeys)
    }).pipe(onKafka))
})
