/** Which brokers are asked, and what is told if none of them can answer: on a driver that is made up. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, type Scope } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { failureOf } from "../support/exits.ts"
import { Codec, EmbeddedKafka, KafkaClient, KafkaError, type KafkaProtocol, KafkaTableWriter } from "../../src/index.ts"
import { apiOf } from "../../src/internal/protocol/apis.ts"
import { it } from "../support/ManualClock.ts"
import { answering, type Answers } from "../support/answering.ts"

type Behaviour = Answers & {
  /** What comes of connecting to it. */
  readonly connect?: Effect.Effect<void, KafkaError.ConnectionError>
}

const fails = (reason: KafkaError.ConnectionReason, host = "?", request = "connect") =>
  new KafkaError.ConnectionError({ reason, broker: `${host}:9092`, request })

const NOTHING = {
  Metadata: { brokers: [], controllerId: -1, topics: [] },
  ListOffsets: { partitions: [] },
  Fetch: { errorCode: 0, throttleMillis: 0, partitions: [] },
  InitProducerId: { errorCode: 0, producerId: 7n, producerEpoch: 0 },
  Produce: { throttleMillis: 0, partitions: [] },
  CreateTopics: { errorCode: 0, errorMessage: undefined },
  DescribeConfigs: { errorCode: 0, errorMessage: undefined, configs: [] },
  IncrementalAlterConfigs: { errorCode: 0, errorMessage: undefined }
} satisfies { readonly [N in KafkaProtocol.ApiName]?: KafkaProtocol.Response<N> }

const nothing = <N extends KafkaProtocol.ApiName>(name: N, request: KafkaProtocol.Request<N>) =>
  (NOTHING as { readonly [N in KafkaProtocol.ApiName]?: KafkaProtocol.Response<N> })[name] ??
  apiOf(name).parts.refuse(request, 0)

const connectionTo = (host: string, answers: Answers): KafkaClient.BrokerConnection =>
  answering(
    {
      address: `${host}:9092`,
      features: undefined,
      isOpen: () => true,
      request: (name, request) => Effect.succeed(nothing(name, request))
    },
    answers
  )

/** A client of brokers that behave so, and which of them were asked, in order. */
const brokers = (behaviours: Readonly<Record<string, Behaviour>>) => {
  const asked: Array<string> = []
  const client = KafkaClient.fromDriver({
    bootstrap: Object.keys(behaviours).map((host) => ({ host, port: 9092 })),
    backoff: { initialMillis: 10, maxMillis: 10 },
    connect: ({ host }) => {
      asked.push(host)
      const behaviour = behaviours[host]
      return Effect.as(behaviour.connect ?? Effect.void, connectionTo(host, behaviour))
    }
  })
  return { asked, client }
}

const noIds = (errorCode: number) => Effect.succeed({ errorCode, producerId: -1n, producerEpoch: -1 })

const ids = NOTHING.InitProducerId

const DENIALS = ["Authentication", "Tls", "UnsupportedVersion"] as const
const PASSING = ["Unreachable", "Timeout", "Closed", "Protocol"] as const

describe("a request that any broker answers", () => {
  for (const reason of [...DENIALS, ...PASSING]) {
    it.effect(`${reason} at one broker does not keep the others from being asked`, () =>
      Effect.gen(function* () {
        const { asked, client } = brokers({ a: { connect: fails(reason) }, b: { connect: fails(reason) }, c: {} })
        assert.deepStrictEqual(yield* Effect.flatMap(client, (it) => it.initProducerId), ids)
        assert.deepStrictEqual(asked, ["a", "b", "c"])
      })
    )
  }

  it.effect("is answered where nothing may be interrupted, as in an acquisition", () =>
    Effect.gen(function* () {
      const { asked, client } = brokers({ a: {}, b: {} })
      assert.deepStrictEqual(yield* Effect.uninterruptible(Effect.flatMap(client, (it) => it.initProducerId)), ids)
      assert.deepStrictEqual(asked, ["a"])
    })
  )

  for (const denial of DENIALS) {
    it.effect(`${denial} at one and others down: the denial is told, of the broker that said so`, () =>
      Effect.gen(function* () {
        for (const [a, b] of [
          [fails(denial, "a"), fails("Unreachable", "b")],
          [fails("Timeout", "b"), fails(denial, "a")]
        ]) {
          const { asked, client } = brokers({ a: { connect: a }, b: { connect: b } })
          const error = yield* Effect.flip(Effect.flatMap(client, (it) => it.initProducerId))
          assert.deepStrictEqual([error.reason, error.broker, error.retriable], [denial, "a:9092", false])
          assert.deepStrictEqual(asked, ["a", "b"])
        }
      })
    )
  }

  it.effect("all down: the last failure, of all of them", () =>
    Effect.gen(function* () {
      const { client } = brokers({ a: { connect: fails("Timeout", "a") }, b: { connect: fails("Unreachable", "b") } })
      const error = yield* Effect.flip(Effect.flatMap(client, (it) => it.initProducerId))
      assert.deepStrictEqual([error.reason, error.broker, error.retriable], ["Unreachable", "a:9092,b:9092", true])
    })
  )

  it.effect("one that is slow still answers after another one has failed", () =>
    Effect.gen(function* () {
      const { asked, client } = brokers({
        a: { InitProducerId: () => Effect.delay(Effect.succeed(ids), "3 seconds") },
        b: { connect: fails("Unreachable") }
      })
      const fiber = yield* Effect.forkChild(Effect.flatMap(client, (it) => it.initProducerId))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked, ["a", "b"])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ids)
    })
  )

  const refusing = {
    InitProducerId: (errorCode: number): Behaviour => ({ InitProducerId: () => noIds(errorCode) }),
    DescribeConfigs: (errorCode: number): Behaviour => ({
      DescribeConfigs: () => Effect.succeed({ errorCode, errorMessage: "no", configs: [] })
    })
  }
  type Ask = (client: KafkaClient.KafkaClient) => Effect.Effect<{ readonly errorCode: number }, KafkaError.KafkaError>
  const requests: Readonly<Record<"InitProducerId" | "DescribeConfigs", Ask>> = {
    InitProducerId: (client) => client.initProducerId,
    DescribeConfigs: (client) => client.describeConfigs("t")
  }
  for (const request of ["InitProducerId", "DescribeConfigs"] as const) {
    const codeFrom = (behaviours: Readonly<Record<string, Behaviour>>) =>
      Effect.gen(function* () {
        const { asked, client } = brokers(behaviours)
        const { errorCode } = yield* Effect.flatMap(client, requests[request])
        return { asked, errorCode }
      })

    it.effect(`${request}: an error code is no answer while another broker has one`, () =>
      Effect.gen(function* () {
        for (const code of [14, 15, 41, 7, 29, -1, 12_345]) {
          const a = refusing[request](code)
          assert.deepStrictEqual(yield* codeFrom({ a, b: { connect: fails("Unreachable") }, c: {} }), {
            asked: ["a", "b", "c"],
            errorCode: 0
          })
        }
      })
    )

    it.effect(
      `${request}: if all refuse, what is final is told before what may pass, and a refusal before a failure`,
      () =>
        Effect.gen(function* () {
          const [loading, denied] = [14, 29].map(refusing[request])
          const down: Behaviour = { connect: fails("Authentication") }
          assert.strictEqual((yield* codeFrom({ a: denied, b: loading })).errorCode, 29)
          assert.strictEqual((yield* codeFrom({ a: loading, b: denied })).errorCode, 29)
          assert.strictEqual((yield* codeFrom({ a: loading, b: down })).errorCode, 14)
          assert.strictEqual((yield* codeFrom({ a: down, b: loading })).errorCode, 14)
        })
    )
  }

  describe("metadata of a topic", () => {
    const partition = { errorCode: 0, partition: 0, leader: 0, leaderEpoch: 0 }
    const says = (errorCode: number): Behaviour => ({
      Metadata: () =>
        Effect.succeed({
          brokers: [],
          controllerId: -1,
          topics: [{ errorCode, name: "t", id: undefined, partitions: errorCode === 0 ? [partition] : [] }]
        })
    })
    const described = (behaviours: Readonly<Record<string, Behaviour>>) =>
      Effect.gen(function* () {
        const { asked, client } = brokers(behaviours)
        const answer = yield* Effect.exit(Effect.flatMap(client, (it) => it.describeTopic("t")))
        return { asked, answer }
      })

    it.effect("an error code is no answer while another broker has one", () =>
      Effect.gen(function* () {
        for (const code of [29, -1, 5, 13, 56, 12_345]) {
          const { answer, asked } = yield* described({ a: says(code), b: { connect: fails("Closed") }, c: says(0) })
          assert.deepStrictEqual(Exit.isSuccess(answer) && answer.value.partitions, [partition], String(code))
          assert.deepStrictEqual(asked, ["a", "b", "c"])
        }
      })
    )

    it.effect("if all refuse, what is final is told before what may pass, with the broker that said it", () =>
      Effect.gen(function* () {
        const { answer } = yield* described({ a: says(5), b: says(29), c: { connect: fails("Tls") } })
        const error = failureOf(answer)
        assert.deepInclude(error, { _tag: "KafkaTopicError", reason: "Unauthorized", broker: "b:9092" })
      })
    )

    it.effect("that it does not exist is an answer", () =>
      Effect.gen(function* () {
        const { answer, asked } = yield* described({ a: says(3), b: says(0) })
        assert.deepInclude(failureOf(answer), { reason: "NotFound", broker: "a:9092" })
        assert.deepStrictEqual(asked, ["a"])
      })
    )
  })

  it.effect("a refusal keeps the connection", () =>
    Effect.gen(function* () {
      const { asked, client } = brokers({ a: { InitProducerId: () => noIds(14) } })
      const made = yield* client
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* made.initProducerId).errorCode, 14)
      assert.deepStrictEqual(asked, ["a"])
    })
  )

  it.effect("metadata of thousands of brokers: the given ones are still asked, and not all of the others", () =>
    Effect.gen(function* () {
      const told = Array.from({ length: 5_000 }, (_, nodeId) => ({ nodeId, host: `made-up-${nodeId}`, port: 1 }))
      let up = true
      const asked = new Set<string>()
      const client = yield* KafkaClient.fromDriver({
        bootstrap: [{ host: "a", port: 9092 }],
        backoff: { initialMillis: 10, maxMillis: 10 },
        connect: ({ host }) =>
          Effect.suspend(() => {
            asked.add(host)
            return up
              ? Effect.succeed(
                  connectionTo(host, {
                    Metadata: () => Effect.succeed({ brokers: told, controllerId: 0, topics: [] }),
                    InitProducerId: () => Effect.fail(fails("Closed"))
                  })
                )
              : Effect.fail(fails("Unreachable"))
          })
      })
      yield* Effect.flip(client.describeTopic("t"))
      up = false
      assert.strictEqual((yield* Effect.flip(client.initProducerId)).reason, "Unreachable")
      assert.isTrue(asked.has("a"))
      assert.isBelow(asked.size, 500)
    })
  )
})

describe("a request for the controller", () => {
  const known = ["a", "b", "c"].map((host, nodeId) => ({ nodeId, host, port: 9092 }))
  const NOT_CONTROLLER = { errorCode: 41, errorMessage: undefined }

  /** Three brokers of which one is the controller; `told` says whom a broker takes for it. */
  const cluster = (controller: string, told: (host: string) => number) => {
    const asked: Array<string> = []
    const behaviour = (host: string): Behaviour => {
      const change = () => {
        asked.push(host)
        return Effect.succeed(host === controller ? { errorCode: 0, errorMessage: undefined } : NOT_CONTROLLER)
      }
      return {
        Metadata: () => Effect.sync(() => ({ brokers: known, controllerId: told(host), topics: [] })),
        CreateTopics: change,
        IncrementalAlterConfigs: change
      }
    }
    const { client } = brokers({ a: behaviour("a"), b: behaviour("b"), c: behaviour("c") })
    return { asked, client }
  }

  const request = { topic: "t", partitions: 1, replicationFactor: 1, configs: {}, timeoutMillis: 1 }
  const changes = {
    CreateTopics: (client: KafkaClient.KafkaClient) => client.createTopic(request),
    IncrementalAlterConfigs: (client: KafkaClient.KafkaClient) => client.alterConfigs({ topic: "t", set: {} })
  }
  for (const name of ["CreateTopics", "IncrementalAlterConfigs"] as const) {
    const run = (client: Effect.Effect<KafkaClient.KafkaClient, never, Scope.Scope>) =>
      Effect.flatMap(client, changes[name])

    it.live(`${name}: NOT_CONTROLLER has another broker asked who it is`, () =>
      Effect.gen(function* () {
        // a is cut off from the others, and takes itself for the controller
        const { asked, client } = cluster("c", (host) => (host === "a" ? 0 : 2))
        assert.strictEqual((yield* run(client)).errorCode, 0)
        assert.deepStrictEqual(asked, ["a", "c"])
      })
    )

    it.live(`${name}: nobody knows the controller: all are asked`, () =>
      Effect.gen(function* () {
        const { asked, client } = cluster("c", () => -1)
        assert.strictEqual((yield* run(client)).errorCode, 0)
        assert.deepStrictEqual(asked, ["a", "b", "c"])
      })
    )

    it.live(`${name}: no controller at all is told, after some attempts`, () =>
      Effect.gen(function* () {
        const { asked, client } = cluster("none", () => 1)
        assert.strictEqual((yield* run(client)).errorCode, 41)
        assert.isTrue(asked.length > 1 && asked.length < 20)
        assert.deepStrictEqual([...new Set(asked)], ["b"])
      })
    )
  }

  it.effect("a failure of the controller is the caller's to try again", () =>
    Effect.gen(function* () {
      const { client } = brokers({
        a: {
          Metadata: () => Effect.succeed({ brokers: known, controllerId: 0, topics: [] }),
          CreateTopics: () => Effect.fail(fails("Timeout", "a", "CreateTopics"))
        }
      })
      const made = yield* Effect.exit(Effect.flatMap(client, changes.CreateTopics))
      assert.deepStrictEqual(failureOf(made).reason, "Timeout")
    })
  )
})

describe("a writer on a cluster of which one broker has no producer ids to give", () => {
  for (const node of [0, 1, 2]) {
    it.live(`broker ${node}: it is acquired, and writes`, () =>
      Effect.gen(function* () {
        const kafka = yield* EmbeddedKafka.EmbeddedKafka
        yield* kafka.inject({ _tag: "ErrorCode", code: 14 }, { request: "InitProducerId", node })
        const writer = yield* KafkaTableWriter.make({
          topic: "t",
          value: Codec.utf8,
          partitioner: () => 0,
          deliveryTimeout: "20 seconds"
        })
        assert.deepInclude(yield* writer.set("a", "1"), { partition: 0, offset: 0 })
      }).pipe(Effect.provide(KafkaClient.layerMemory({ nodes: 3, topics: { t: { partitions: 3 } } })))
    )
  }
})
