/** What a consumer says in its log lines and its errors: the words are those of consumers, not those of tables. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { loggingTo, type LogLine } from "../support/effect/v4/logs.ts"
import { acquire, adjust, append, cluster, it, open, protocols, topic } from "./onEmbedded.ts"

const logged = <A, E, R>(body: (lines: ReadonlyArray<LogLine>) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const lines: Array<LogLine> = []
    return body(lines).pipe(loggingTo((line) => void lines.push(line)))
  })

for (const protocol of protocols) {
  describe(`a topic that is named and does not exist: ${protocol}`, () => {
    it.effect("is told of once, and again when it was there meanwhile", () =>
      logged((lines) =>
        Effect.gen(function* () {
          const missing = () =>
            lines.flatMap(({ annotations, level, message }) =>
              message.startsWith("does not exist, or may not be seen") ? [[level, annotations.topic, message]] : []
            )
          const kafka = yield* cluster()
          const member = yield* open(kafka, "first", { protocol, subscribe: [topic, "later", "never*"] })
          yield* adjust("30 seconds")
          assert.deepStrictEqual(
            missing().map(([level, name]) => [level, name]),
            [["WARN", "later"]]
          )
          assert.include(missing()[0][2], "looked for every 5000 ms: NotFound")
          yield* kafka.createTopic("later")
          yield* append(kafka, ["a"], 0, "later")
          yield* adjust("10 seconds")
          assert.deepStrictEqual(member.done, ["a"])
          assert.lengthOf(missing(), 1)
          yield* kafka.deleteTopic("later")
          yield* adjust("10 minutes")
          assert.lengthOf(missing(), 2)
        })
      )
    )
  })
}

describe("errors of a consumer", () => {
  it.effect("a poison record names its group, and what has become of the record", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const member = yield* open(kafka, "first")
      const messages: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(member.consumer.poison, (error) => Effect.sync(() => void messages.push(error.message)))
      )
      yield* adjust("1 second")
      yield* kafka.append(topic, [{ key: "k", value: null }])
      yield* adjust("1 second")
      assert.deepStrictEqual(messages, [
        `Value not decodable: group "g" topic "t" partition 0 offset 0: the record has no value: it is a tombstone. ` +
          "It is not handed out: fix the producer or the schema."
      ])
    })
  )

  it.effect("a log that begins later names the group that has missed what was there", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, [1, 2, 3])
        const first = yield* open(kafka, "first")
        yield* adjust("1 second")
        yield* first.close
        yield* append(kafka, [4, 5, 6])
        yield* kafka.deleteRecords(topic, 0, 5)
        const second = yield* open(kafka, "second")
        yield* adjust("1 second")
        assert.deepStrictEqual(second.done, ["6"])
        const message = lines.map(({ message }) => message).find((message) => message.startsWith("goes on at offset 5"))
        assert.include(message, `Log truncated: group "g" topic "t" partition 0 now begins at 5, the group was at 3.`)
        assert.notInclude(message, "table")
        assert.notInclude(message, "rebuilt")
      })
    )
  )
})

describe("topics to subscribe to that cannot be", () => {
  it.effect("are told by their place in the list, and with what may be there", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const refused = (subscribe: string | ReadonlyArray<string>) =>
        Effect.map(Effect.flip(acquire(kafka, "first", { subscribe })), ({ message }) => message)
      const name =
        "must be a legal topic name: 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'; " +
        "or a glob, with '*' for any characters and '?' for one"
      assert.strictEqual(yield* refused("orders\\..+"), `KafkaConsumer: invalid options. subscribe: ${name}`)
      assert.strictEqual(
        yield* refused(["orders", "a b", "(a|b)*"]),
        `KafkaConsumer: invalid options. subscribe[1]: ${name}; ` +
          "subscribe[2]: a glob must have only characters of topic names, '*' and '?'"
      )
    })
  )
})
