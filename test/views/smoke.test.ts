import { assert, describe } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, TableIndex } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"

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
  name: index.sorted((user) => user.email, { where: (user) => user.city !== "Rome" })
})) {}

describe("smoke", () => {
  it.effect("works", () =>
    Effect.gen(function* () {
      const options = { topic: "users", value: Codec.json(User) }
      const writer = yield* KafkaTableWriter.make(options)
      const user = (email: string, city: string, age: number, ...tags: ReadonlyArray<string>) =>
        new User({ email, city, age, tags })
      yield* writer.set("1", user("a@b.c", "Berlin", 30, "admin", "dev"))
      yield* writer.set("2", user("b@b.c", "Rome", 20, "dev"))
      yield* writer.set("3", user("c@b.c", "Berlin", 40))
      const users = yield* KafkaTable.make(options, Users.indexes)
      assert.strictEqual(Option.getOrThrow(yield* users.by("email").get("b@b.c")).key, "2")
      const at = yield* writer.set("4", user("b@b.c", "Berlin", 20, "admin"))
      yield* users.awaitPosition(at)
      const keys = (all: Iterable<{ readonly key: string }>) => Array.from(all, ({ key }) => key)
      assert.deepStrictEqual(keys(yield* users.by("city").get("Berlin")), ["1", "3", "4"])
      assert.deepStrictEqual(keys(yield* users.by("tag").get("admin")), ["1", "4"])
      assert.deepStrictEqual(keys(yield* users.by("age").range({ gte: 20, lt: 40 })), ["2", "4", "1"])
      assert.deepStrictEqual(keys(yield* users.by("email").conflicts), ["4"])
      assert.deepStrictEqual(keys(yield* users.query({ tag: "admin", city: "Berlin" }, { orderBy: "age" })), ["4", "1"])
      assert.deepStrictEqual(keys(yield* users.range({ gte: "2" }, { reverse: true })), ["4", "3", "2"])
      assert.deepStrictEqual(keys(yield* users.prefix("1")), ["1"])
      assert.strictEqual(yield* users.count({ gt: "1", lte: "3" }), 2)
      const page = yield* users.by("age").page({}, { limit: 3 })
      assert.deepStrictEqual(keys(page.entries), ["2", "4", "1"])
      const rest = yield* users.by("age").page({}, { limit: 3, after: Option.getOrThrow(page.next) })
      assert.deepStrictEqual([keys(rest.entries), rest.next], [["3"], Option.none()])
      assert.deepStrictEqual(yield* users.by("name").stats, { entries: 3, leftOut: 0, problems: 0, conflicts: 0 })
      const extra = yield* TableIndex.attach(users, (index) => ({
        domain: index.sorted((u) => u.email.split("").reverse().join(""))
      }))
      assert.strictEqual((yield* extra.by("domain").prefix("c.b@")).length, 4)
      yield* Effect.promise(() => Promise.resolve())
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )
})
