/** A table on a cluster in memory, in the test's own time. */
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, Option, Stream, TestClock, type Scope } from "effect"
import { Codec, KafkaClient, KafkaTable } from "../../src/index.ts"
import { FakeCluster } from "../support/FakeCluster.ts"

export const topic = "registry"

export const on =
  (cluster: FakeCluster) =>
  <A, E>(effect: Effect.Effect<A, E, KafkaClient.KafkaClient | Scope.Scope>) =>
    Effect.flatMap(cluster.client, (client) => Effect.provideService(effect, KafkaClient.KafkaClient, client))

export const open = (cluster: FakeCluster, settings: KafkaTable.TableSettings = {}) =>
  KafkaTable.make<string, string>({ topic, value: Codec.utf8, ensureTopic: false, ...settings }).pipe(on(cluster))

const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Lets all fibers run until they wait for time or for somebody. Time itself stands still. */
export const settle = Effect.repeatN(turn, 30)

/** The same where a shorter look is enough. */
export const settleBriefly = Effect.repeatN(turn, 6)

export const advance = (millis: number) => Effect.zipRight(TestClock.adjust(millis), settle)

/** Goes on in steps until it holds: bounded, in the test's own time. */
export const until = (what: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < 600; i++) {
      yield* settle
      if (what()) return
      yield* TestClock.adjust(100)
    }
    assert.fail(`never held: ${what.toString()}`)
  })

export const withTopic = (partitions = 1, nodes = 1): FakeCluster => {
  const cluster = new FakeCluster(nodes)
  cluster.createTopic(topic, partitions)
  return cluster
}

/** Acquires while the clock is driven on: for acquisitions that wait. */
export const acquiring = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>, millis: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Effect.exit(effect))
    for (let passed = 0; passed < millis; passed += 100) {
      yield* advance(100)
      const done = yield* Fiber.poll(fiber)
      if (Option.isSome(done)) break
    }
    const exit = yield* Fiber.join(fiber)
    return exit
  })

export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
  return Option.getOrThrow(Cause.failureOption(exit.cause))
}

// ---------------------------------------------------------------------------------------------------------------------
// what is seen of a table
// ---------------------------------------------------------------------------------------------------------------------

/** The statuses from now on, as they come. */
export const statusesOf = <K, V>(table: KafkaTable.KafkaTable<K, V>) =>
  Effect.gen(function* () {
    const seen: Array<KafkaTable.TableStatus["_tag"]> = []
    yield* Effect.fork(
      Stream.runForEach(
        Stream.changesWith(table.status.changes, (a, b) => a._tag === b._tag),
        (status) => Effect.sync(() => seen.push(status._tag))
      )
    )
    yield* settle
    return seen
  })

/** A logger that keeps what is logged, for `Effect.provide`. */
export const capturing = (lines: Array<string>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => {
      lines.push(String(message))
    })
  )

// ---------------------------------------------------------------------------------------------------------------------
// answers that a broker would not give by itself, for `FakeCluster.before`
// ---------------------------------------------------------------------------------------------------------------------

export const fetchOf = (detail: unknown): KafkaClient.FetchRequest => detail as KafkaClient.FetchRequest

/** The same of all partitions that were asked for. */
export const fetched = (detail: unknown, answer: Partial<KafkaClient.FetchedPartition>) =>
  Effect.sync((): KafkaClient.FetchResponse => ({
    errorCode: 0,
    throttleMillis: 0,
    partitions: fetchOf(detail).partitions.map(({ partition }) => ({
      partition,
      errorCode: 0,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      abortedTransactions: [],
      diverging: undefined,
      records: Buffer.alloc(0),
      ...answer
    }))
  }))

export const refused = (detail: unknown, errorCode: number) => fetched(detail, { errorCode })

/** No records, from a log that ends at `end`. */
export const nothingNew = (detail: unknown, end: number) =>
  fetched(detail, { highWatermark: end, lastStableOffset: end, logStartOffset: 0 })

const metadata = (cluster: FakeCluster, found: KafkaClient.TopicMetadata) =>
  Effect.sync((): KafkaClient.MetadataResponse => ({
    brokers: cluster.cluster.nodes.map(({ id }) => cluster.cluster.brokerOf(id)),
    controllerId: 0,
    topics: [found]
  }))

export const topicRefused = (cluster: FakeCluster, errorCode: number) =>
  metadata(cluster, { errorCode, name: topic, id: undefined, partitions: [] })

export const topicMissing = (cluster: FakeCluster) => topicRefused(cluster, 3)

/** The topic as it is, but for what is given. */
export const described = (
  cluster: FakeCluster,
  other: { readonly id?: string; readonly leader?: number; readonly leaderEpoch?: number }
) => {
  const { id, partitions } = cluster.topic(topic)
  return metadata(cluster, {
    errorCode: 0,
    name: topic,
    id: other.id ?? id,
    partitions: partitions.map((p, partition) => ({
      errorCode: 0,
      partition,
      leader: other.leader ?? p.leader,
      leaderEpoch: other.leaderEpoch ?? p.leaderEpoch
    }))
  })
}
