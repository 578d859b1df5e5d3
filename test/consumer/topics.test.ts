/** Which topics a consumer reads, and whose partitions a member that leads its group looks after. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
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
  })
}
