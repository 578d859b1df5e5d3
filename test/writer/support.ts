/** A cluster in memory whose brokers do with produce requests what a test says. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { KafkaProtocol } from "../../src/index.ts"
import { Codec, KafkaClient, KafkaTableWriter, type KafkaError } from "../../src/index.ts"
import type { BatchHeader } from "../../src/internal/recordBatch/batchHeader.ts"
import { viewOf } from "../../src/internal/bytes.ts"
import { readAll, type ReadRecord } from "../recordBatch/support.ts"
import { settle } from "../support/answers.ts"
import { connectionError, FakeCluster, type Request } from "../support/FakeCluster.ts"

export { isRunning, settle, turn } from "../support/answers.ts"

export const topic = "registry"

interface Logged {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  readonly record: ReadRecord
}

interface Sent {
  readonly node: number
  readonly request: KafkaProtocol.ProduceRequest
  readonly acks: number
  readonly batches: ReadonlyArray<{
    readonly partition: number
    readonly header: BatchHeader
    readonly records: ReadonlyArray<ReadRecord>
    readonly bytes: Buffer
  }>
}

type Answer = KafkaProtocol.ProduceResponse["partitions"][number]

/** What a broker does with the next request: see below. */
export type Behaviour = (
  brokers: Brokers,
  sent: Sent
) => Effect.Effect<KafkaProtocol.ProduceResponse, KafkaError.ConnectionError>

export class Brokers {
  readonly cluster: FakeCluster
  readonly sent: Array<Sent> = []
  /** For the next requests, one each; then brokers do what brokers do. */
  readonly script: Array<Behaviour> = []
  /** For requests without a script. */
  otherwise: Behaviour = append
  initProducerId: Effect.Effect<KafkaProtocol.InitProducerIdResponse, KafkaError.ConnectionError>
  producerIds = 0

  /** All partitions are led by node 0. */
  constructor(partitions = 1, nodes = 1) {
    this.cluster = new FakeCluster(nodes)
    this.cluster.createTopic(topic, partitions)
    this.initProducerId = Effect.sync(() => ({
      errorCode: 0,
      producerId: BigInt(7000 + this.producerIds++),
      producerEpoch: 0
    }))
    this.cluster.before = (request, node, detail) => {
      if (request === "InitProducerId") return this.initProducerId
      if (request !== "Produce") return undefined
      return this.produce(node, detail as KafkaProtocol.ProduceRequest)
    }
  }

  private produce(node: number, request: KafkaProtocol.ProduceRequest) {
    const sent: Sent = {
      node,
      request,
      acks: request.acks,
      batches: request.partitions.map(({ partition, records }) => {
        const bytes = viewOf(records)
        const { batches } = readAll(bytes, 0)
        assert.strictEqual(batches.length, 1)
        return { partition, ...batches[0], bytes }
      })
    }
    this.sent.push(sent)
    const behaviour = this.script.shift() ?? this.otherwise
    return behaviour(this, sent)
  }

  /** As a leader does it, for one partition of a request. */
  append({ node, request }: Sent, partition: number): Answer {
    const partitions = request.partitions.filter((p) => p.partition === partition)
    return this.cluster.produce(node, { ...request, partitions }).partitions[0]
  }

  /** By partition, in the order of the log. */
  get log(): ReadonlyArray<ReadonlyArray<Logged>> {
    return this.cluster.topic(topic).partitions.map(({ log }) =>
      readAll(Buffer.concat(log.batches.map(({ bytes }) => bytes)), 0)
        .batches.flatMap(({ records }) => records)
        .map((record) => ({
          offset: record.offset,
          key: Buffer.from(record.key!).toString(),
          value: record.value === null ? null : Buffer.from(record.value).toString(),
          record
        }))
    )
  }

  /** `key=value`, in the order of the log. */
  written(partition = 0): ReadonlyArray<string> {
    return this.log[partition].map(({ key, value }) => `${key}=${value}`)
  }

  /** How often brokers were asked for this. */
  asked(request: Request): number {
    return this.cluster.requests.filter((one) => one.request === request).length
  }

  private generation = 0

  /** Closes the connections that are open, as a broker does to idle ones: nothing fails by it. */
  closeIdle(): void {
    this.generation++
  }

  get client(): Effect.Effect<KafkaClient.KafkaClient, never, Scope.Scope> {
    return Effect.map(this.cluster.client, (client) => ({
      ...client,
      connect: (broker) =>
        Effect.map(client.connect(broker), (connection) => {
          const { generation } = this
          return { ...connection, isOpen: () => connection.isOpen() && generation === this.generation }
        })
    }))
  }
}

/** `producer/epoch/sequence` of all batches, in the order in which they were sent. */
export const headersOf = (brokers: Brokers): ReadonlyArray<string> =>
  brokers.sent.flatMap(({ batches }) =>
    batches.map(({ header }) => `${header.producerId}/${header.producerEpoch}/${header.baseSequence}`)
  )

export const keysOf = (records: ReadonlyArray<ReadRecord>): ReadonlyArray<string> =>
  records.map(({ key }) => Buffer.from(key!).toString())

// ---------------------------------------------------------------------------------------------------------------------
// behaviours
// ---------------------------------------------------------------------------------------------------------------------

export const append: Behaviour = (brokers, sent) => Effect.sync(() => brokers.cluster.produce(sent.node, sent.request))

/** Appends, and answers nothing but that the connection is gone. */
export const appendThen =
  (reason: KafkaError.ConnectionReason): Behaviour =>
  (brokers, sent) =>
    Effect.andThen(append(brokers, sent), Effect.fail(connectionError(reason)))

export const fail =
  (reason: KafkaError.ConnectionReason): Behaviour =>
  () =>
    Effect.fail(connectionError(reason))

/** Refuses all partitions, or the given one. */
export const refuse =
  (
    code: number,
    options: {
      readonly partition?: number
      readonly message?: string
      readonly recordErrors?: ReadonlyArray<KafkaProtocol.RecordError>
    } = {}
  ): Behaviour =>
  (brokers, sent) =>
    Effect.sync(() => ({
      throttleMillis: 0,
      partitions: sent.batches.map((batch) =>
        options.partition === undefined || options.partition === batch.partition
          ? {
              topic: { name: topic, id: undefined },
              partition: batch.partition,
              errorCode: code,
              baseOffset: -1,
              errorMessage: options.message,
              ...(options.recordErrors === undefined ? {} : { recordErrors: options.recordErrors })
            }
          : brokers.append(sent, batch.partition)
      )
    }))

/** Appends, and answers an error all the same. */
export const appendAndRefuse =
  (code: number): Behaviour =>
  (brokers, sent) =>
    Effect.andThen(append(brokers, sent), refuse(code)(brokers, sent))

export const frozen: Behaviour = () => Effect.never

/** Answers after this time. */
export const slow =
  (millis: number, behaviour: Behaviour = append): Behaviour =>
  (brokers, sent) =>
    Effect.delay(behaviour(brokers, sent), millis)

/** As the driver: appends or not, and gives the connection up after a while. */
export const timeout =
  (millis: number): Behaviour =>
  () =>
    Effect.delay(Effect.fail(connectionError("Timeout")), millis)

// ---------------------------------------------------------------------------------------------------------------------
// running
// ---------------------------------------------------------------------------------------------------------------------

export const on =
  (brokers: Brokers) =>
  <A, E, R>(effect: Effect.Effect<A, E, R | KafkaClient.KafkaClient>) =>
    Effect.flatMap(brokers.client, (client) => Effect.provideService(effect, KafkaClient.KafkaClient, client))

export const open = (brokers: Brokers, settings: KafkaTableWriter.WriterSettings = {}) =>
  KafkaTableWriter.make<string, string>({ topic, value: Codec.utf8, ensureTopic: false, ...settings }).pipe(on(brokers))

/** A writer whose client does some things in another way. */
export const openOtherwise = (
  brokers: Brokers,
  otherwise: (client: KafkaClient.KafkaClient) => Partial<KafkaClient.KafkaClient>,
  settings: KafkaTableWriter.WriterSettings = {}
) =>
  Effect.flatMap(brokers.client, (client) =>
    KafkaTableWriter.make<string, string>({ topic, value: Codec.utf8, ensureTopic: false, ...settings }).pipe(
      Effect.provideService(KafkaClient.KafkaClient, { ...client, ...otherwise(client) })
    )
  )

/** Goes on in steps, so that what happens late in one is seen by what happens early in the next. */
export const advance = (millis: number, step = 100) =>
  Effect.gen(function* () {
    yield* settle
    for (let passed = 0; passed < millis; passed += step) {
      yield* TestClock.adjust(Math.min(step, millis - passed))
      yield* settle
    }
  })

/** Runs an effect while the clock is driven on. */
export const within = <A, E, R>(millis: number, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    for (let passed = 0; passed < millis; passed += 100) {
      yield* settle
      if (hasEnded(fiber)) break
      yield* TestClock.adjust(100)
    }
    yield* settle
    if (!hasEnded(fiber)) {
      return assert.fail(`it takes longer than ${millis} ms`)
    }
    return yield* Fiber.join(fiber)
  })

/** Forks a write so that it has its place in the queue when this returns. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(effect), () => Effect.yieldNow)
