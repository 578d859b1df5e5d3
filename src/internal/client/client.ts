/** What every driver has in common: which broker to ask, and answers with their error codes turned into typed errors. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type {
  Backoff,
  Broker,
  BrokerConnection,
  KafkaClient,
  ListedOffset,
  TopicDescription
} from "../../KafkaClient.ts"
import { ConnectionError, TopicError, type ClientError } from "../../KafkaError.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { makeSharedConnections } from "./connections.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaClient")

export const tag: Context.Tag<KafkaClient, KafkaClient> = Context.GenericTag<KafkaClient>("effect-ktables/KafkaClient")

type Address = Pick<Broker, "host" | "port">

const addressOf = (broker: Address) =>
  (broker.host.includes(":") ? `[${broker.host}]` : broker.host) + `:${broker.port}`

/** The last failure stands for all: none of them could be used. */
const ofAll = (brokers: ReadonlyArray<Address>, { cause, detail, reason, request }: ConnectionError): ConnectionError =>
  new ConnectionError({
    reason,
    broker: brokers.map(addressOf).join(","),
    request,
    ...(detail === undefined ? {} : { detail }),
    ...(cause === undefined ? {} : { cause })
  })

/** How long a broker may be silent before another one is asked the same. */
const HEDGE_MILLIS = 1_000

const UNKNOWN_TOPIC_OR_PARTITION = 3

const TIMESTAMPS = { earliest: -2, latest: -1 } as const

/** Derives the service from a driver's one primitive. */
export const make = (driver: {
  readonly bootstrap: ReadonlyArray<Address>
  readonly backoff: Backoff
  readonly connect: (broker: Address) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
}): Effect.Effect<KafkaClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const shared = yield* makeSharedConnections(driver.connect)
    const failedAt = new Map<string, number>()
    let known: ReadonlyArray<Broker> = []
    let turn = 0

    /** Connected ones first, those last that failed or were slow; the bootstrap list stays a candidate for ever. */
    const candidates = (): ReadonlyArray<Address> => {
      const all = new Map<string, Address>()
      for (const broker of [...known, ...driver.bootstrap]) {
        if (!all.has(addressOf(broker))) all.set(addressOf(broker), broker)
      }
      const rank = (address: string, broker: Address) => failedAt.get(address) ?? (shared.has(broker) ? -1 : 0)
      return [...all].sort(([a, x], [b, y]) => rank(a, x) - rank(b, y)).map(([, broker]) => broker)
    }

    const avoid = (broker: Address) =>
      Effect.map(Clock.currentTimeMillis, (now) => failedAt.set(addressOf(broker), now))

    const use = <A>(broker: Address, f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>) =>
      shared.use(broker, f).pipe(
        Effect.map((answer) => {
          failedAt.delete(addressOf(broker))
          return answer
        }),
        Effect.tapError(() => avoid(broker))
      )

    /**
     * The first broker that answers: the next one is asked when one fails, or has not answered for a second (it may be
     * frozen). Credentials that one broker refuses are not tried on all the others.
     */
    const useAny = <A>(f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>, order = candidates) =>
      Effect.suspend(() => {
        const attempt = ([broker, ...others]: ReadonlyArray<Address>): Effect.Effect<A, ConnectionError> => {
          if (others.length === 0) return use(broker, f)
          return Effect.flatMap(Deferred.make<void>(), (failed) => {
            const first = Effect.catchAll(use(broker, f), (error) =>
              error.retriable ? Effect.andThen(Deferred.succeed(failed, void 0), Effect.never) : Effect.fail(error)
            )
            const next = Effect.raceFirst(
              Deferred.await(failed),
              Effect.zipRight(Effect.sleep(HEDGE_MILLIS), avoid(broker))
            )
            return Effect.raceFirst(first, Effect.andThen(next, attempt(others)))
          })
        }
        const all = order()
        return Effect.mapError(attempt(all), (error) =>
          all.length === 1 || !error.retriable ? error : ofAll(all, error)
        )
      })

    /** Another one each time: a broker that is cut off from the others goes on answering with what it knew. */
    const inTurn = (): ReadonlyArray<Address> => {
      const all = candidates()
      const sound = all.filter((broker) => !failedAt.has(addressOf(broker)))
      const first = sound.length === 0 ? 0 : turn++ % sound.length
      return [...sound.slice(first), ...sound.slice(0, first), ...all.filter((broker) => !sound.includes(broker))]
    }

    const describeTopic = (topic: string): Effect.Effect<TopicDescription, ClientError | TopicError> =>
      Effect.flatMap(
        useAny((connection) => Effect.map(connection.metadata([topic]), (answer) => ({ connection, answer })), inTurn),
        ({ answer, connection }) => {
          known = answer.brokers.length === 0 ? known : answer.brokers
          const found = answer.topics.find((t) => t.name === topic)
          if (found === undefined || found.errorCode === UNKNOWN_TOPIC_OR_PARTITION) {
            return Effect.fail(new TopicError({ reason: "NotFound", topic, broker: connection.address }))
          }
          if (found.errorCode !== 0) {
            const error = brokerError({ code: found.errorCode, request: "Metadata", broker: connection.address, topic })
            return Effect.fail(
              error.reason === "Unauthorized"
                ? new TopicError({
                    reason: "Unauthorized",
                    topic,
                    broker: connection.address,
                    detail: error.codeName,
                    cause: error
                  })
                : error
            )
          }
          return Effect.succeed({
            topic: { name: topic, id: found.id },
            partitions: found.partitions,
            brokers: new Map(answer.brokers.map((b) => [b.nodeId, b])),
            controllerId: answer.controllerId
          })
        }
      )

    const listOffsets: KafkaClient["listOffsets"] = (topic, at) => {
      const wanted = topic.partitions.filter((p) => at.partitions === undefined || at.partitions.has(p.partition))
      const byLeader = new Map<number, Array<(typeof wanted)[number]>>()
      for (const p of wanted) {
        const list = byLeader.get(p.leader)
        if (list === undefined) byLeader.set(p.leader, [p])
        else list.push(p)
      }
      const none = (partition: number, error: ClientError): ListedOffset => ({ partition, offset: -1, error })
      const unled = (partition: number): ListedOffset =>
        none(partition, brokerError({ code: 5, request: "ListOffsets", topic: topic.topic.name, partition }))

      return Effect.forEach(
        byLeader,
        ([leader, partitions]) => {
          const broker = topic.brokers.get(leader)
          if (broker === undefined) return Effect.succeed(partitions.map((p) => unled(p.partition)))
          return use(broker, (connection) =>
            connection.listOffsets({
              topic: topic.topic.name,
              isolation: at.isolation,
              partitions: partitions.map((p) => ({
                partition: p.partition,
                leaderEpoch: p.leaderEpoch,
                timestamp: TIMESTAMPS[at.timestamp]
              }))
            })
          ).pipe(
            Effect.map((answer) => {
              const answers = new Map(answer.partitions.map((p) => [p.partition, p]))
              return partitions.map(({ partition }): ListedOffset => {
                const found = answers.get(partition)
                if (found === undefined) return unled(partition)
                if (found.errorCode === 0) return { partition, offset: found.offset, error: undefined }
                return none(
                  partition,
                  brokerError({
                    code: found.errorCode,
                    request: "ListOffsets",
                    broker: addressOf(broker),
                    topic: topic.topic.name,
                    partition
                  })
                )
              })
            }),
            Effect.catchAll((error) => Effect.succeed(partitions.map((p) => none(p.partition, error))))
          )
        },
        // one leader needs no fiber of its own
        { concurrency: Math.max(1, byLeader.size) }
      ).pipe(Effect.map((lists) => lists.flat().sort((a, b) => a.partition - b.partition)))
    }

    /** Brokers with ZooKeeper create topics at the controller only; in KRaft any broker forwards. */
    const useController = <A>(f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>) =>
      Effect.flatMap(
        useAny((connection) => connection.metadata([])),
        (answer) => {
          known = answer.brokers.length === 0 ? known : answer.brokers
          const controller = answer.brokers.find((b) => b.nodeId === answer.controllerId)
          return controller === undefined ? useAny(f) : use(controller, f)
        }
      )

    return {
      [TypeId]: TypeId,
      bootstrap: driver.bootstrap.map(addressOf).join(","),
      backoff: driver.backoff,
      connect: driver.connect,
      describeTopic,
      listOffsets,
      initProducerId: useAny((connection) => connection.initProducerId),
      createTopic: (request) => useController((connection) => connection.createTopic(request)),
      describeConfigs: (topic) => useAny((connection) => connection.describeConfigs(topic)),
      alterConfigs: (topic, set) => useController((connection) => connection.alterConfigs(topic, set))
    }
  })
