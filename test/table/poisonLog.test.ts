/** What a table and a writer say of records that do not fit: the place and the kind, and what they hold only if asked. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { numberFromText, secretText, words } from "../support/effect/v4/schemas.ts"
import { loggingTo } from "../support/effect/v4/logs.ts"
import { Codec, EmbeddedKafka, KafkaClient, KafkaTable, KafkaTableWriter } from "../../src/index.ts"

interface Line {
  readonly message: string
  readonly annotations: string
}

/** Runs it with the lines that are logged meanwhile. */
const logged = <A, E, R>(run: (lines: ReadonlyArray<Line>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<Line> = []
    return loggingTo(({ annotations, message }) => lines.push({ message, annotations: JSON.stringify(annotations) }))(
      run(lines)
    )
  })

const poisonLines = (lines: ReadonlyArray<Line>) => lines.filter(({ message }) => message.includes("not decodable"))

const Credentials = Schema.Struct({
  user: Schema.String,
  age: numberFromText,
  password: secretText(12)
})

const bad = [
  { key: "hunter2-1", value: '{"user":"ann","age":"1","password":"hunter2"}' },
  { key: "hunter2-2", value: "\u001b[2J\u0000 hunter2" },
  { key: "hunter2-3", value: '{"user":"ann","age":"hunter2","password":"123456789012"}' },
  { key: "hunter2\n\u001b[2J\u2028\u202e", value: '["hunter2"]' }
]

describe("a record that does not decode", () => {
  it.effect("is told by its place and its fault: in the log, and by the error", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const kafka = yield* EmbeddedKafka.EmbeddedKafka
        const table = yield* KafkaTable.make({ topic: "t", value: Codec.json(Credentials) })
        for (const [i, record] of bad.entries()) {
          yield* kafka.append("t", [record])
          yield* table.barrier()
          assert.lengthOf(poisonLines(lines), i + 1)
        }
        assert.deepStrictEqual(
          poisonLines(lines).map(({ message }) => /offset (\d+): (.*)\. The key keeps/.exec(message)?.slice(1)),
          [
            ["0", `password: ${words.shorterThan12}`],
            ["1", "Invalid JSON"],
            ["2", `age: ${words.notANumberAsText}`],
            [
              "3",
              poisonLines(lines)[3]
                .message.replace(/^.*offset 3: /, "")
                .replace(/\. The key keeps.*$/, "")
            ]
          ]
        )
        assert.include(poisonLines(lines)[3].message, "actual an array")
        for (const { annotations, message } of lines) {
          assert.notInclude(message, "hunter2")
          assert.notInclude(annotations, "hunter2")
          assert.notMatch(message, /[\p{C}\p{Zl}\p{Zp}]/u)
        }
      })
    ).pipe(Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("is quoted with logValues, escaped, and without what its schema calls secret", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const kafka = yield* EmbeddedKafka.EmbeddedKafka
        const table = yield* KafkaTable.make({ topic: "t", value: Codec.json(Credentials), logValues: true })
        for (const record of bad) {
          yield* kafka.append("t", [record])
          yield* table.barrier()
        }
        const [first, second, third, fourth] = poisonLines(lines).map(({ message }) => message)
        assert.include(first, `key "hunter2-1": password: ${words.shorterThan12}.`)
        assert.include(second, 'key "hunter2-2": Invalid JSON.')
        assert.include(third, `key "hunter2-3": age: ${words.quotedNoNumber}.`)
        assert.include(fourth, 'key "hunter2\\n\\u001b[2J\\u2028\\u202e": Expected')
        assert.notInclude(fourth.slice(fourth.indexOf("Expected")), "hunter2")
      })
    ).pipe(Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("not even with logValues by the key, where that is of a secret", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const kafka = yield* EmbeddedKafka.EmbeddedKafka
        const token = Codec.string(secretText())
        const keys = [
          token,
          Codec.imap(
            token,
            (key) => key,
            (key) => key
          )
        ]
        for (const [i, key] of keys.entries()) {
          const topic = `keys-${i}`
          const table = yield* KafkaTable.make({ topic, key, value: Codec.json(Credentials), logValues: true })
          yield* kafka.append(topic, [{ key: "hunter2-1", value: '{"user":1}' }])
          yield* table.barrier()
          const [{ message }] = poisonLines(lines).slice(-1)
          assert.include(message, `${topic}`)
          assert.include(message, "offset 0: ")
        }
        assert.lengthOf(poisonLines(lines), 2)
        for (const { annotations, message } of lines) {
          assert.notInclude(message, "hunter2")
          assert.notInclude(annotations, "hunter2")
        }
      })
    ).pipe(Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("by a codec whose Effect is interrupted: the table tells of it, and follows", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.EmbeddedKafka
      const value = Codec.makeEffect<string, never, never>({
        decode: (bytes) => {
          const text = Buffer.from(bytes).toString()
          return text === "bad" ? Effect.interrupt : Effect.succeed(text)
        },
        encode: (text) => Effect.succeed(Buffer.from(text))
      })
      const table = yield* KafkaTable.make({ topic: "t", value })
      yield* kafka.append("t", [
        { key: "a", value: "1" },
        { key: "b", value: "bad" },
        { key: "c", value: "3" }
      ])
      yield* table.barrier()
      assert.deepStrictEqual(
        [...table.unsafeSnapshot()],
        [
          ["a", "1"],
          ["c", "3"]
        ]
      )
      assert.strictEqual((yield* table.stats).valueErrors, 1)
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
    }).pipe(Effect.provide(KafkaClient.layerMemory()))
  )
})

describe("a write that does not encode", () => {
  const write = (logValues: boolean) =>
    Effect.gen(function* () {
      const writer = yield* KafkaTableWriter.make({
        topic: "t",
        value: Codec.json(Schema.Struct({ n: Schema.Int })),
        logValues
      })
      return yield* Effect.flip(writer.set("hunter2", { n: 1.5 }))
    })

  it.effect("is told by its place and its fault", () =>
    Effect.gen(function* () {
      const error = yield* write(false)
      assert.strictEqual(error.reason, "Encode")
      assert.include(error.message, "(value: n: Expected an integer, actual a number)")
    }).pipe(Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("is quoted with logValues", () =>
    Effect.gen(function* () {
      const error = yield* write(true)
      assert.include(error.message, `(value: n: ${words.quotedNoInteger})`)
    }).pipe(Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("a partitioner that throws quotes no key", () =>
    Effect.gen(function* () {
      for (const logValues of [false, true]) {
        const writer = yield* KafkaTableWriter.make({
          topic: "t",
          value: Codec.utf8,
          logValues,
          partitioner: (key) => {
            throw new RangeError(`no partition for ${Buffer.from(key).toString()}`)
          }
        })
        const error = yield* Effect.flip(writer.set("hunter2\u001b", "x"))
        assert.strictEqual(error.reason, "InvalidPartition")
        assert.include(
          error.message,
          logValues ? "(the partitioner threw: no partition for hunter2\\u001b)" : "(the partitioner threw RangeError)"
        )
        assert.notInclude(JSON.stringify(error.cause), "hunter2")
      }
    }).pipe(Effect.provide(KafkaClient.layerMemory()))
  )
})
