/** What is said of options that are none. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Layer, Option, Redacted, Schema, type Scope } from "effect"
import { createServer } from "node:net"
import {
  Catalog,
  Codec,
  EmbeddedKafka,
  KafkaClient,
  KafkaProducer,
  KafkaTable,
  KafkaTableWriter,
  KafkaTopic
} from "../src/index.ts"
import { flag, text, texts, withVariables } from "./support/effect/v4/config.ts"
import { withoutLogs } from "./support/effect/v4/logs.ts"
import { captured } from "../src/internal/effect/v4/running.ts"
import { foreignText } from "../src/internal/foreignText.ts"
import { nearest } from "../src/internal/options/nearest.ts"
import { clientSpec } from "../src/internal/kafkajs/client.ts"
import { CATALOG } from "../src/internal/options/catalog.ts"
import { checkOptions } from "../src/internal/options/check.ts"
import { TOPIC_CODECS } from "../src/internal/options/producer.ts"
import { SENDING } from "../src/internal/options/sending.ts"
import { TABLE } from "../src/internal/options/table.ts"
import { TOPIC_SETTINGS } from "../src/internal/options/topic.ts"
import { WRITER } from "../src/internal/options/writer.ts"
import { listening } from "./real/support.ts"

const problemsOf = <A>(effect: Effect.Effect<A, unknown, never>) =>
  Effect.map(Effect.flip(effect), (error) => (error as Error).message)

const known = (options: object, ...rest: [names: ReadonlyArray<string>, within?: string, ignored?: Array<string>]) =>
  problemsOf(checkOptions("KafkaTable", (check) => check.known(options, ...rest)))

describe("nearest", () => {
  it("the name that was probably meant", () => {
    for (const [wrong, right] of [
      ["catchupTimeout", "catchUpTimeout"],
      ["catchUpTimout", "catchUpTimeout"],
      ["checkCRCs", "checkCrcs"],
      ["onPosion", "onPoison"],
      ["retsart", "restart"],
      ["values", "value"],
      ["metadataMaxAgeMs", "metadataMaxAge"]
    ] as const) {
      assert.strictEqual(nearest(wrong, Object.keys(TABLE)), right)
    }
  })

  it("nothing is near", () => {
    for (const wrong of ["groupId", "x", "", "colour", "t".repeat(1_000_000)]) {
      assert.isUndefined(nearest(wrong, Object.keys(TABLE)))
    }
  })
})

describe("unknown options", () => {
  it.effect("near to one: that one, and no list", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* known({ catchupTimeout: 1 }, Object.keys(TABLE)),
        `KafkaTable: invalid options. catchupTimeout: unknown; did you mean "catchUpTimeout"?`
      )
    })
  )

  it.effect("near to none: those that there are, without those of somebody else", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* known({ groupId: "g", acks: "all" }, ["topic", "value"], undefined, ["acks"]),
        "KafkaTable: invalid options. groupId: unknown option; known are topic, value"
      )
    })
  )

  it.effect("in place of an object", () =>
    Effect.gen(function* () {
      for (const options of [null, undefined, [], "topic", new Map()]) {
        assert.strictEqual(
          yield* known(options as unknown as object, ["topic", "value"], undefined, ["acks"]),
          "KafkaTable: invalid options. options: must be an object; known are topic, value"
        )
      }
      assert.strictEqual(
        yield* known(null as unknown as object, ["initial", "max"], "backoff"),
        "KafkaTable: invalid options. backoff: must be an object; known are initial, max"
      )
    })
  )

  it.effect("within another option, and as other clients call it", () =>
    Effect.gen(function* () {
      const message = yield* problemsOf(
        Effect.scoped(
          KafkaClient.make({ brokers: ["b:1"], ssl: true, backoff: { maximum: 1 } } as KafkaClient.KafkaClientOptions)
        )
      )
      assert.strictEqual(
        message,
        `KafkaClient: invalid options. ssl: unknown; did you mean "tls"?; ` +
          "backoff.maximum: unknown option; known are initial, max"
      )
    })
  )

  it.effect("the topic says whose options they are", () =>
    Effect.gen(function* () {
      const message = yield* problemsOf(
        KafkaTopic.ensure({ topic: "my.flags", partitions: 0 }).pipe(
          Effect.provide(KafkaClient.layer({ brokers: ["b:1"] }))
        )
      )
      assert.include(message, `KafkaTopic of topic "my.flags": invalid options. partitions: must be`)
    })
  )
})

describe("values that would be ignored in silence", () => {
  const unfit = [null, NaN, 5, -1, "x", "false", "", Symbol("s"), 5n, [], () => 1, new Map(), new Date(0)]
  const flags = (name: string) => [name, [...unfit, {}, "true", 0, 1], "must be true or false"] as const
  const objects = (name: string) => [name, [...unfit, true, Promise.resolve({})], "must be an object"] as const
  const numbers = (name: string) =>
    [name, [...unfit.filter((one) => one !== 5), {}, true, 1.5], "must be a whole"] as const
  type Options = Record<string, unknown>
  type Case = readonly [option: string, values: ReadonlyArray<unknown>, problem: string]
  const modules: ReadonlyArray<
    readonly [
      string,
      (options: Options) => Effect.Effect<unknown, unknown, KafkaClient.KafkaClient | Scope.Scope>,
      ReadonlyArray<Case>
    ]
  > = [
    [
      "a table",
      (options) => KafkaTable.make({ topic: "t", value: Codec.utf8, ...options }),
      [
        ...["ensureTopic", "headers", "checkCrcs", "logValues"].map(flags),
        ...["fetch", "topicSettings", "topicSettings.configs"].map(objects),
        ...["fetch.minBytes", "fetch.maxBytes", "fetch.maxPartitionBytes", "fetch.maxBatchBytes"].map(numbers),
        ...["topicSettings.partitions", "topicSettings.replicationFactor"].map(numbers)
      ]
    ],
    [
      "a writer",
      (options) => KafkaTableWriter.make({ topic: "t", value: Codec.utf8, ...options }),
      [
        ...["ensureTopic", "idempotent", "logValues"].map(flags),
        objects("topicSettings"),
        ...["maxBatchBytes", "maxRecordBytes", "maxQueued", "maxQueuedBytes"].map(numbers)
      ]
    ],
    [
      "a topic",
      (options) => KafkaTopic.ensure({ topic: "t", ...options }),
      [
        objects("configs"),
        numbers("partitions"),
        ["configs.a", [null, 5, {}], "must be a string, as Kafka writes it"],
        ["configs.a", ["a\n", "\ud800", "x".repeat(32_768)], "must be text of at most"],
        ["configs.\0", ["a"], "must be text of at most"]
      ]
    ],
    [
      "a client",
      (options) => KafkaClient.make({ brokers: ["b:1"], ...options }),
      [objects("backoff"), ["clientId", [null, 5, {}], "must be text of at most"]]
    ],
    [
      "a client in memory",
      (options) => Layer.build(KafkaClient.layerMemory(options)),
      [
        ...["backoff", "groups", "transactions", "topics", "topics.t", "topics.t.configs"].map(objects),
        ...["nodes", "groups.maxSize"].map(numbers),
        ["topics.t.partitions", [null, NaN, "x", 5n, Infinity, 1e12, 1.5, Symbol("s")], "must be whole, and not above"],
        ["topics.t.replicationFactor", [null, NaN, "x", 1.5, Symbol("s")], "must be larger than 0"],
        ["clientId", [null, 5, {}], "must be text of at most"]
      ]
    ]
  ]
  /** `a.b` is an option within an option. */
  const optionOf = (path: string, value: unknown): Options =>
    path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Options

  describe.each(modules)("of %s", (_, make, cases) => {
    it.effect.each(cases)("%s", ([option, values, problem]) =>
      Effect.gen(function* () {
        for (const value of values) {
          const message = yield* problemsOf(
            Effect.scoped(make(optionOf(option, value))).pipe(Effect.provide(KafkaClient.layerMemory()))
          )
          assert.include(
            message,
            `invalid options. ${foreignText(option.replace(/^(topics\.t)\.(?!configs).*/, "$1"))}: `
          )
          assert.include(message, problem)
        }
      })
    )
  })

  it.effect("what they are, is taken", () =>
    Effect.gen(function* () {
      const options = {
        topic: "t",
        value: Codec.utf8,
        ensureTopic: true,
        logValues: true,
        topicSettings: { configs: {} }
      }
      // as `import * as settings` makes it
      const exported = Object.create(null, { [Symbol.toStringTag]: { value: "Module" } }) as object
      yield* KafkaTable.make({ ...options, fetch: exported })
      yield* KafkaTable.make({ ...options, headers: false, checkCrcs: false, fetch: Object.create(null) as object })
      yield* KafkaTableWriter.make({ ...options, idempotent: false })
    }).pipe(Effect.provide(KafkaClient.layerMemory({ topics: {}, backoff: {}, clientId: "" })))
  )
})

describe("layerConfig", () => {
  it.effect("reaches into tls", () =>
    Effect.gen(function* () {
      const layer = KafkaClient.layerConfig({
        brokers: texts("BROKERS"),
        tls: { ca: text("CA"), serverName: text("NAME") }
      })
      const message = yield* problemsOf(
        Effect.scoped(Layer.build(layer)).pipe(
          withVariables({
            BROKERS: "a:1,b:2",
            CA: "/etc/ca.pem",
            NAME: "kafka"
          })
        )
      )
      assert.include(message, "tls.ca: must be PEM text")
    })
  )

  /** What a client sends first, configured by TLS in the environment. */
  const firstByte = (tls: string) =>
    Effect.gen(function* () {
      const first = yield* Deferred.make<number>()
      const { address } = yield* listening(() =>
        createServer((socket) =>
          socket.once("data", (bytes) => {
            Deferred.doneUnsafe(first, Effect.succeed(bytes[0]))
            socket.destroy()
          })
        )
      )
      const layer = KafkaClient.layerConfig({
        brokers: texts("BROKERS"),
        tls: flag("TLS")
      })
      const asking = Effect.flatMap(KafkaClient.KafkaClient, (client) => client.describeTopic("topic")).pipe(
        Effect.provide(layer),
        withVariables({
          BROKERS: address,
          TLS: tls
        })
      )
      return yield* Effect.raceFirst(Deferred.await(first), Effect.andThen(Effect.ignore(asking), Effect.never))
    }).pipe(Effect.scoped)

  it.live("tls as one value, which may be a boolean: with it comes a handshake, without it a request in plain", () =>
    Effect.gen(function* () {
      // of a record of TLS: handshake
      assert.strictEqual(yield* firstByte("true"), 0x16)
      // of the size of a request
      assert.strictEqual(yield* firstByte("false"), 0)
    })
  )
})

interface Part {
  readonly sku: string
  readonly vendor: string
}

describe("options that no type has seen", () => {
  const throwing = new Proxy(
    {},
    {
      get: () => {
        throw new Error("no")
      }
    }
  )
  const values: Readonly<Record<string, unknown>> = {
    null: null,
    "not a number": Number.NaN,
    "a negative number": -1,
    zero: 0,
    "a huge number": 1e300,
    infinity: Number.POSITIVE_INFINITY,
    "no text": "",
    "a text": "false",
    "an endless text": "x".repeat(100_000),
    "control characters": "a\0b\u001b[2J\nERROR",
    "half a character": "\ud800",
    "a list": [],
    "an object": {},
    "an object without a prototype": Object.create(null) as object,
    "an object of endless names": Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`name ${i}\n`, i])),
    "an object that throws": throwing,
    "a symbol": Symbol("s"),
    "a bigint": 10n,
    "a function": () => 1,
    "a date that is none": new Date(Number.NaN)
  }

  const modules: Readonly<
    Record<
      string,
      readonly [
        names: ReadonlyArray<string>,
        sound: object,
        make: (options: never) => Effect.Effect<unknown, unknown, never>
      ]
    >
  > = (() => {
    const memory = KafkaClient.layerMemory({ topics: { registry: {} } })
    const tables = { topic: "registry", value: Codec.utf8, ensureTopic: false, catchUpTimeout: "5 seconds" }
    return {
      KafkaTable: [
        Object.keys(TABLE),
        tables,
        (options) => Effect.provide(Effect.scoped(Effect.suspend(() => KafkaTable.make(options))), memory)
      ],
      KafkaTableWriter: [
        Object.keys(WRITER),
        { ...tables, catchUpTimeout: undefined },
        (options) => Effect.provide(Effect.scoped(Effect.suspend(() => KafkaTableWriter.make(options))), memory)
      ],
      Catalog: [
        Object.keys(CATALOG),
        { table: "parts", value: Codec.json(Schema.Struct({ sku: Schema.String, vendor: Schema.String })) },
        (options) =>
          Effect.provide(
            Effect.scoped(
              Effect.suspend(() =>
                Catalog.make<Part, "sku", "vendor">({ rowKey: "sku", indexKeys: ["vendor"] }, options)
              )
            ),
            memory
          )
      ],
      KafkaProducer: [
        Object.keys(SENDING),
        {},
        (options) => Effect.provide(Effect.scoped(Effect.suspend(() => KafkaProducer.make(options))), memory)
      ],
      "the codecs of a producer's topic": [
        Object.keys(TOPIC_CODECS),
        { value: Codec.utf8 },
        (codecs) => {
          const producing = Effect.flatMap(KafkaProducer.make(), (producer) => producer.to("registry", codecs))
          return Effect.provide(Effect.scoped(producing), memory)
        }
      ],
      KafkaTopic: [
        ["topic", ...Object.keys(TOPIC_SETTINGS)],
        { topic: "registry" },
        (options) =>
          Effect.provide(
            Effect.suspend(() => KafkaTopic.ensure(options)),
            memory
          )
      ],
      KafkaClient: [
        Object.keys(clientSpec(Effect.runSync(captured))),
        { brokers: ["localhost:9092"], sasl: { mechanism: "PLAIN", username: "u", password: Redacted.make("p") } },
        (options) => Effect.scoped(Effect.suspend(() => KafkaClient.make(options)))
      ],
      EmbeddedKafka: [
        ["nodes", "topics", "groups", "transactions"],
        {},
        (options) => Effect.suspend(() => EmbeddedKafka.make(options))
      ]
    }
  })()

  /** Accepted, or refused as options are: in one line that can be printed, and is not endless. */
  const fits = (what: string, made: Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
    Effect.map(withoutLogs(Effect.exit(made)), (exit) => {
      if (Exit.isSuccess(exit)) return
      const error = Option.getOrElse(Cause.findErrorOption(exit.cause), () =>
        assert.fail(`${what}: ${Cause.pretty(exit.cause)}`)
      ) as { readonly _tag: string; readonly message: string }
      // "false" is a topic's name as others are, and ten nanoseconds are a time in which no answer comes
      if (error._tag === "KafkaTopicError" || (error._tag === "KafkaConnectionError" && what.endsWith("a bigint")))
        return
      assert.strictEqual(error._tag, "KafkaInvalidOptionsError", what)
      assert.match(error.message, /^[\x20-\x7e…]{1,20000}$/, what)
    })

  for (const [module, [names, sound, make]] of Object.entries(modules)) {
    it.live(`${module}: none of them is a defect, and what is told of them is one line`, () =>
      Effect.gen(function* () {
        for (const [name, value] of Object.entries(values)) {
          yield* fits(`${module} of ${name}`, make(value as never))
          for (const option of names) {
            yield* fits(`${module}.${option} of ${name}`, make({ ...sound, [option]: value } as never))
          }
        }
      })
    )
  }
})
