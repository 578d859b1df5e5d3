/** What is said of options that are none. */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Deferred, Effect, Layer, type Scope } from "effect"
import { createServer } from "node:net"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter, KafkaTopic } from "../src/index.ts"
import { nearest } from "../src/internal/nearest.ts"
import { TABLE_OPTIONS } from "../src/internal/optionNames.ts"
import { checkOptions } from "../src/internal/options.ts"
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
      assert.strictEqual(nearest(wrong, TABLE_OPTIONS), right)
    }
  })

  it("nothing is near", () => {
    for (const wrong of ["groupId", "x", "", "colour", "t".repeat(1_000_000)]) {
      assert.isUndefined(nearest(wrong, TABLE_OPTIONS))
    }
  })
})

describe("unknown options", () => {
  it.effect("near to one: that one, and no list", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* known({ catchupTimeout: 1 }, TABLE_OPTIONS),
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
  const flags = (name: string) => [name, [...unfit, {}], "must be true or false"] as const
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
      [objects("configs"), numbers("partitions")]
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
        ...["backoff", "topics", "topics.t", "topics.t.configs"].map(objects),
        numbers("nodes"),
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
    it.scoped.each(cases)("%s", ([option, values, problem]) =>
      Effect.gen(function* () {
        for (const value of values) {
          const message = yield* problemsOf(
            Effect.scoped(make(optionOf(option, value))).pipe(Effect.provide(KafkaClient.layerMemory()))
          )
          assert.include(message, `invalid options. ${option.replace(/^(topics\.t)\.(?!configs).*/, "$1")}: `)
          assert.include(message, problem)
        }
      })
    )
  })

  it.scoped("what they are, is taken", () =>
    Effect.gen(function* () {
      const options = {
        topic: "t",
        value: Codec.utf8,
        ensureTopic: true,
        logValues: true,
        topicSettings: { configs: {} }
      }
      yield* KafkaTable.make({ ...options, headers: false, checkCrcs: false, fetch: Object.create(null) as object })
      yield* KafkaTableWriter.make({ ...options, idempotent: false })
    }).pipe(Effect.provide(KafkaClient.layerMemory({ topics: {}, backoff: {}, clientId: "" })))
  )
})

describe("layerConfig", () => {
  const from = (entries: ReadonlyArray<readonly [string, string]>) =>
    Effect.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(entries))))

  it.effect("reaches into tls", () =>
    Effect.gen(function* () {
      const layer = KafkaClient.layerConfig({
        brokers: Config.array(Config.string(), "BROKERS"),
        tls: { ca: Config.string("CA"), serverName: Config.string("NAME") }
      })
      const message = yield* problemsOf(
        Effect.scoped(Layer.build(layer)).pipe(
          from([
            ["BROKERS", "a:1,b:2"],
            ["CA", "/etc/ca.pem"],
            ["NAME", "kafka"]
          ])
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
            Deferred.unsafeDone(first, Effect.succeed(bytes[0]))
            socket.destroy()
          })
        )
      )
      const layer = KafkaClient.layerConfig({
        brokers: Config.array(Config.string(), "BROKERS"),
        tls: Config.boolean("TLS")
      })
      const asking = Effect.flatMap(KafkaClient.KafkaClient, (client) => client.describeTopic("topic")).pipe(
        Effect.provide(layer),
        from([
          ["BROKERS", address],
          ["TLS", tls]
        ])
      )
      return yield* Effect.raceFirst(Deferred.await(first), Effect.zipRight(Effect.ignore(asking), Effect.never))
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
