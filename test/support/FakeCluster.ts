/**
 * A cluster in memory, just enough of it for tests of what a table does: real record batches, waiting fetches, leaders,
 * and a hook before each request to misbehave by.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BrokerConnection, FetchRequest, FetchResponse, KafkaClient, TopicRef } from "../../src/KafkaClient.ts"
import { fromDriver } from "../../src/KafkaClient.ts"
import { ConnectionError } from "../../src/KafkaError.ts"
import { encodeBatch, stampBatch } from "../../src/internal/recordBatch/encode.ts"
import { Signal } from "../../src/internal/signal.ts"

const text = (value: string | null): Uint8Array | null => (value === null ? null : new TextEncoder().encode(value))

interface StoredBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly bytes: Buffer
}

export interface FakePartition {
  leader: number
  leaderEpoch: number
  batches: Array<StoredBatch>
  start: number
  end: number
  /** Last stable offset, if an open transaction holds it back. */
  stable: number | undefined
}

export interface FakeRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp?: number
}

export type Request = keyof Omit<BrokerConnection, "address" | "isOpen"> | "connect"

interface FakeTopic {
  id: string
  configs: Record<string, string>
  partitions: Array<FakePartition>
}

export class FakeCluster {
  readonly topics = new Map<string, FakeTopic>()
  readonly changed = new Signal()
  readonly requests: Array<{ readonly request: Request; readonly node: number }> = []
  /** Fetches that wait for something new. */
  waiting = 0
  open = 0
  nodes = 1
  /** What a request does instead, if it returns something: fail, answer otherwise, never answer. */
  before: (request: Request, node: number, detail: unknown) => Effect.Effect<unknown, ConnectionError> | undefined =
    () => undefined
  private ids = 0

  createTopic(name: string, partitions = 1): void {
    this.topics.set(name, {
      id: `id-${++this.ids}`,
      configs: { "cleanup.policy": "compact" },
      partitions: Array.from({ length: partitions }, () => this.newPartition())
    })
    this.changed.notify()
  }

  newPartition(leader = 0): FakePartition {
    return { leader, leaderEpoch: 0, batches: [], start: 0, end: 0, stable: undefined }
  }

  partition(topic: string, partition = 0): FakePartition {
    return this.topics.get(topic)!.partitions[partition]
  }

  /** Appends one batch. Returns the offset of its first record. */
  append(topic: string, records: ReadonlyArray<FakeRecord>, partition = 0): number {
    const p = this.partition(topic, partition)
    const bytes = encodeBatch({
      records: records.map((r, i) => ({
        key: text(r.key),
        value: text(r.value),
        timestamp: r.timestamp ?? 1000 + p.end + i,
        headers: []
      })),
      codec: "none",
      producerId: -1n,
      producerEpoch: -1,
      baseSequence: -1
    })
    stampBatch(bytes, p.end, p.leaderEpoch)
    return this.appendBytes(topic, bytes, records.length, partition)
  }

  /** Appends bytes as they are, whatever they are. */
  appendBytes(topic: string, bytes: Buffer, offsets: number, partition = 0): number {
    const p = this.partition(topic, partition)
    const baseOffset = p.end
    p.batches.push({ baseOffset, nextOffset: baseOffset + offsets, bytes })
    p.end += offsets
    this.changed.notify()
    return baseOffset
  }

  /** Deletes what is below `offset`, as retention and DeleteRecords do. */
  truncateHead(topic: string, offset: number, partition = 0): void {
    const p = this.partition(topic, partition)
    p.start = offset
    p.batches = p.batches.filter((b) => b.nextOffset > offset)
  }

  get client(): Effect.Effect<KafkaClient, never, Scope.Scope> {
    return fromDriver({
      bootstrap: [{ host: "fake", port: 1 }],
      backoff: { initialMillis: 10, maxMillis: 100 },
      connect: ({ port }) => this.connect(port - 1)
    })
  }

  private connect(node: number): Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope> {
    const call = <A>(request: Request, detail: unknown, answer: Effect.Effect<A, ConnectionError>) =>
      Effect.suspend(() => {
        this.requests.push({ request, node })
        return (this.before(request, node, detail) as Effect.Effect<A, ConnectionError> | undefined) ?? answer
      })
    const opened = Effect.acquireRelease(
      Effect.sync(() => {
        this.open++
        return { isOpen: true }
      }),
      (state) =>
        Effect.sync(() => {
          this.open--
          state.isOpen = false
        })
    )
    return Effect.andThen(
      call("connect", node, Effect.void),
      Effect.map(opened, (state): BrokerConnection => {
        return {
          address: `fake:${node + 1}`,
          isOpen: () => state.isOpen,
          metadata: (topics) =>
            call(
              "metadata",
              topics,
              Effect.sync(() => ({
                brokers: Array.from({ length: this.nodes }, (_, nodeId) => ({
                  nodeId,
                  host: "fake",
                  port: nodeId + 1
                })),
                controllerId: 0,
                topics: topics.map((name) => {
                  const topic = this.topics.get(name)
                  return topic === undefined
                    ? { errorCode: 3, name, id: undefined, partitions: [] }
                    : {
                        errorCode: 0,
                        name,
                        id: topic.id,
                        partitions: topic.partitions.map((p, partition) => ({
                          errorCode: 0,
                          partition,
                          leader: p.leader,
                          leaderEpoch: p.leaderEpoch
                        }))
                      }
                })
              }))
            ),
          listOffsets: (request) =>
            call(
              "listOffsets",
              request,
              Effect.sync(() => ({
                partitions: request.partitions.map(({ partition, timestamp }) => {
                  const p = this.topics.get(request.topic)?.partitions[partition]
                  if (p === undefined) return { partition, errorCode: 3, offset: -1, leaderEpoch: -1 }
                  if (p.leader !== node) return { partition, errorCode: 6, offset: -1, leaderEpoch: -1 }
                  const end = request.isolation === "read_committed" ? (p.stable ?? p.end) : p.end
                  return { partition, errorCode: 0, offset: timestamp === -2 ? p.start : end, leaderEpoch: 0 }
                })
              }))
            ),
          fetch: (request) => call("fetch", request, this.fetch(node, request)),
          initProducerId: call(
            "initProducerId",
            undefined,
            Effect.succeed({ errorCode: 0, producerId: 1n, producerEpoch: 0 })
          ),
          produce: (request) => call("produce", request, Effect.die("not in this fake")),
          createTopic: (request) =>
            call(
              "createTopic",
              request,
              Effect.sync(() => {
                if (this.topics.has(request.topic)) return { errorCode: 36, errorMessage: undefined }
                this.createTopic(request.topic, Math.max(1, request.partitions))
                return { errorCode: 0, errorMessage: undefined }
              })
            ),
          describeConfigs: (topic) =>
            call(
              "describeConfigs",
              topic,
              Effect.sync(() => ({
                errorCode: this.topics.has(topic) ? 0 : 3,
                errorMessage: undefined,
                configs: Object.entries(this.topics.get(topic)?.configs ?? {}).map(([name, value]) => ({
                  name,
                  value,
                  explicit: true
                }))
              }))
            ),
          alterConfigs: (topic, set) =>
            call(
              "alterConfigs",
              topic,
              Effect.sync(() => {
                Object.assign(this.topics.get(topic)?.configs ?? {}, set)
                return { errorCode: 0, errorMessage: undefined }
              })
            )
        }
      })
    )
  }

  private find(topic: TopicRef): FakeTopic | undefined {
    const found = this.topics.get(topic.name)
    return found?.id === topic.id ? found : undefined
  }

  private fetch(node: number, request: FetchRequest): Effect.Effect<FetchResponse> {
    const answer = (): FetchResponse => ({
      errorCode: 0,
      throttleMillis: 0,
      partitions: request.partitions.map((asked) => {
        const p = this.find(request.topic)?.partitions[asked.partition]
        const none = {
          partition: asked.partition,
          highWatermark: -1,
          lastStableOffset: -1,
          logStartOffset: -1,
          abortedTransactions: [],
          diverging: undefined,
          records: Buffer.alloc(0)
        }
        if (p === undefined) return { ...none, errorCode: 100 }
        if (p.leader !== node) return { ...none, errorCode: 6 }
        if (asked.fetchOffset < p.start || asked.fetchOffset > p.end) return { ...none, errorCode: 1 }
        const stable = p.stable ?? p.end
        const readable = p.batches.filter((b) => b.nextOffset > asked.fetchOffset && b.nextOffset <= stable)
        const whole = Buffer.concat(readable.map((b) => b.bytes))
        // a broker sends at least one whole batch
        const limit = Math.max(asked.maxBytes, readable[0]?.bytes.length ?? 0)
        return {
          ...none,
          errorCode: 0,
          highWatermark: p.end,
          lastStableOffset: stable,
          logStartOffset: p.start,
          records: whole.subarray(0, limit)
        }
      })
    })
    const isWorthIt = (response: FetchResponse) =>
      response.partitions.some((p) => p.errorCode !== 0 || p.records.length > 0)

    return Effect.gen(this, function* () {
      const deadline = (yield* Clock.currentTimeMillis) + request.maxWaitMillis
      while (true) {
        const seen = this.changed.version
        const response = answer()
        const left = deadline - (yield* Clock.currentTimeMillis)
        // less than a millisecond does not move a test's clock
        if (isWorthIt(response) || left < 1) return response
        this.waiting++
        yield* Effect.ensuring(
          this.changed.after(seen, left),
          Effect.sync(() => this.waiting--)
        )
      }
    })
  }
}

/** A connection error, as the driver would raise it. */
export const connectionError = (reason: ConnectionError["reason"]): ConnectionError =>
  new ConnectionError({ reason, broker: "fake:1", request: "fake" })
