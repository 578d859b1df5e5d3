/** Which topics a consumer reads, and whose partitions a member that leads its group looks after. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { EmbeddedKafka } from "../../src/index.ts"
import { type LogLine, loggingTo } from "../support/effect/v4/logs.ts"
import { numbers } from "../support/live.ts"
import { adjust, append, cluster, it, open, protocols, topic } from "./onEmbedded.ts"

describe("a member that leads", () => {
  it.effect("shares new partitions of topics that only others want; so does the next one that leads", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ topics: { [topic]: {}, other: {} } })
      const age = { metadataMaxAge: 5_000 }
      const leader = yield* open(kafka, "leader", age)
      const second = yield* open(kafka, "second", { ...age, subscribe: "other" })
      const third = yield* open(kafka, "third", { ...age, subscribe: [topic, "other"] })
      yield* adjust("30 seconds")
      yield* kafka.addPartitions("other", 3)
      yield* append(kafka, ["a"], 2, "other")
      yield* adjust("30 seconds")
      assert.deepStrictEqual([...second.done, ...third.done], ["a"])
      assert.strictEqual((yield* second.owned).length + (yield* third.owned).length + (yield* leader.owned).length, 4)
      yield* leader.close
      yield* adjust("30 seconds")
      yield* kafka.addPartitions("other", 5)
      yield* append(kafka, ["b"], 4, "other")
      yield* adjust("30 seconds")
      assert.deepStrictEqual([...second.done, ...third.done].sort(), ["a", "b"])
    })
  )
})

for (const protocol of protocols) {
  describe(`a glob: ${protocol}`, () => {
    it.effect("matches no internal topic, whatever it says, and names beside it count", () =>
      Effect.gen(function* () {
        const topics = { [topic]: {}, __internal: {}, "a.b": {}, axb: {}, named: {} }
        const kafka = yield* cluster({ topics })
        for (const name of Object.keys(topics)) yield* append(kafka, [name], 0, name)
        const all = yield* open(kafka, "first", { protocol, subscribe: "*", group: "all" })
        yield* adjust("10 seconds")
        assert.deepStrictEqual([...all.done].sort(), ["a.b", "axb", "named", topic].sort())
        const some = yield* open(kafka, "second", { protocol, subscribe: ["a.?", "named", "__*"], group: "some" })
        yield* adjust("10 seconds")
        assert.deepStrictEqual([...some.done].sort(), ["a.b", "named"])
      })
    )

    it.effect("is looked for by one request, however many topics it matches, and loses those that are gone", () =>
      Effect.gen(function* () {
        const names = numbers(40).map((i) => `t${i}`)
        const kafka = yield* cluster({ topics: Object.fromEntries(names.map((name) => [name, {}])) })
        let asked = 0
        yield* kafka.intercept("Metadata", (call, answer) => {
          if (call.clientId === "one") asked++
          return answer
        })
        const options = { protocol, subscribe: "*", metadataMaxAge: 5_000 }
        const member = yield* open(kafka, "one", options)
        yield* adjust("1 minute")
        assert.lengthOf(yield* member.owned, names.length)
        const before = asked
        yield* adjust("1 minute")
        // Every five seconds, and so does the reader of each topic.
        assert.isAtMost(asked - before, 13 * (1 + names.length))
        yield* kafka.deleteTopic("t7")
        yield* adjust("20 seconds")
        assert.lengthOf(yield* member.owned, names.length - 1)
      })
    )
  })
}

for (const protocol of protocols) {
  describe(`a topic that is subscribed to by its name: ${protocol}`, () => {
    /** A member that wants one topic more than there is; what it has logged as warnings of topics. */
    const opened = (kafka: EmbeddedKafka.EmbeddedKafka) => {
      const lines: Array<unknown> = []
      const take = ({ annotations, message }: LogLine) => {
        if (message.includes("nothing of a topic is assigned")) lines.push(annotations.topic)
      }
      const opening = open(kafka, "one", { protocol, subscribe: [topic, "later"] })
      return Effect.map(loggingTo(take)(opening), (member) => ({ member, lines }))
    }

    it.effect("and is not there is no error, is told of once, and is read once it is there", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const { lines, member } = yield* opened(kafka)
        yield* adjust("20 seconds")
        assert.deepStrictEqual(lines, ["later"])
        assert.deepStrictEqual(yield* member.health, { _tag: "Steady" })
        yield* kafka.createTopic("later")
        yield* append(kafka, ["a"], 0, "later")
        yield* adjust("20 seconds")
        assert.deepStrictEqual(member.done, ["a"])
        assert.deepStrictEqual(lines, ["later"])
      })
    )

    it.effect("and may not be described is told of by health, until it may", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: { [topic]: {}, later: {} } })
        const denying = yield* Scope.make()
        const denial = kafka.inject({ _tag: "ErrorCode", code: 29 }, { request: "Metadata", topic: "later" })
        yield* Scope.provide(denial, denying)
        const { lines, member } = yield* opened(kafka)
        yield* adjust("20 seconds")
        assert.deepStrictEqual(lines, ["later"])
        const health = yield* member.health
        assert.deepInclude(health, { _tag: "Unavailable" })
        if (health._tag === "Unavailable") assert.deepInclude(health.error, { reason: "Unauthorized", topic: "later" })
        yield* Scope.close(denying, Exit.void)
        yield* append(kafka, ["a"], 0, "later")
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* member.health, { _tag: "Steady" })
        assert.deepStrictEqual(member.done, ["a"])
      })
    )
  })
}
