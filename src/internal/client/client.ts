/** What every driver has in common: which broker to ask, and answers with their error codes turned into typed errors. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Backoff, BrokerConnection, KafkaClient, ListedOffset, TopicDescription } from "../../KafkaClient.ts"
import { ConnectionError, TopicError, type ClientError } from "../../KafkaError.ts"
import type { Broker, PartitionMetadata } from "../../KafkaProtocol.ts"
import { byLeader } from "../leaders.ts"
import { brokerError, describeCode } from "../protocol/errorCodes.ts"
import { retryDelay } from "./backoff.ts"
import { makeSharedConnections } from "./connections.ts"
import { givingOut } from "./given.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaClient")

export const tag: Context.Tag<KafkaClient, KafkaClient> = Context.GenericTag<KafkaClient>("effect-ktables/KafkaClient")

type Address = Pick<Broker, "host" | "port">

const addressOf = (broker: Address) =>
  (broker.host.includes(":") ? `[${broker.host}]` : broker.host) + `:${broker.port}`

/**
 * Of several brokers' failures, the one to tell. A denial is: the broker that could be reached says what is to be mended,
 * which those that are down do not. Otherwise the last failure stands for all of them.
 */
const failureOfAll = (brokers: ReadonlyArray<Address>, failures: ReadonlyArray<ConnectionError>): ConnectionError => {
  const last = failures[failures.length - 1]
  const denial =
    failures.find((error) => error.reason === "Authentication" || error.reason === "Tls") ??
    failures.find((error) => !error.retriable)
  if (denial !== undefined || brokers.length === 1) return denial ?? last
  const { cause, detail, reason, request } = last
  return new ConnectionError({
    reason,
    broker: brokers.map(addressOf).join(","),
    request,
    ...(detail === undefined ? {} : { detail }),
    ...(cause === undefined ? {} : { cause })
  })
}

/** How many brokers of a cluster are remembered for requests that any broker answers, beside the bootstrap list. */
const MAX_KNOWN = 100

/** How many brokers' failures are remembered. */
const MAX_FAILED = 1_000

/** How often the controller is looked for, when who was said to be it is not. */
const CONTROLLER_ATTEMPTS = 4

/** How long a broker may be silent before another one is asked the same. */
const HEDGE_MILLIS = 1_000

const UNKNOWN_TOPIC_OR_PARTITION = 3

const NOT_CONTROLLER = 41

/** What a broker says that does not know an offset yet; some say -1, which is none. */
const OFFSET_NOT_AVAILABLE = 78

const NONE = 0

interface AnyOptions<A> {
  /** The error code of an answer: with another one than 0, the next broker is asked. Default: every answer is one. */
  readonly codeOf?: (answer: A) => number
  /** The brokers, in the order in which they are asked. */
  readonly order?: () => ReadonlyArray<Address>
}

const errorCodeOf = (answer: { readonly errorCode: number }): number => answer.errorCode

/** Those of these numbers that are known. They count from 0 and are in their order, as a rule: many are not gone through. */
const partitionsOf = (
  { partitions }: TopicDescription,
  numbers: ReadonlySet<number>
): ReadonlyArray<PartitionMetadata> =>
  [...numbers].flatMap((number) => {
    const there = partitions[number] as PartitionMetadata | undefined
    const found = there?.partition === number ? there : partitions.find(({ partition }) => partition === number)
    return found === undefined ? [] : [found]
  })

const TIMESTAMPS = { earliest: -2, latest: -1 } as const

/** Derives the service from a driver's one primitive. */
export const make = (driver: {
  readonly bootstrap: ReadonlyArray<Address>
  readonly backoff: Backoff
  readonly connect: (broker: Address) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>
}): Effect.Effect<KafkaClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    // the shared connections are given out as well; their own scope ends after the client's are closed
    const ownScope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const connect = yield* givingOut(driver.connect, addressOf)
    const shared = yield* Scope.extend(makeSharedConnections(connect), ownScope)
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

    const learn = (brokers: ReadonlyArray<Broker>): void => {
      if (brokers.length > 0) known = brokers.slice(0, MAX_KNOWN)
    }

    const avoid = (broker: Address) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (failedAt.size >= MAX_FAILED) failedAt.clear()
        failedAt.set(addressOf(broker), now)
      })

    const use = <A>(broker: Address, f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>) =>
      shared.use(broker, f).pipe(
        Effect.map((answer) => {
          failedAt.delete(addressOf(broker))
          return answer
        }),
        Effect.tapError(() => avoid(broker))
      )

    /**
     * The first answer of a broker: the next one is asked as well when one fails, does not let us in, answers with an error
     * code (`codeOf`), or has not answered for a second (it may be frozen). If none can, what came of it that says most.
     */
    const useAny = <A>(
      f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>,
      { codeOf = () => NONE, order = candidates }: AnyOptions<A> = {}
    ): Effect.Effect<A, ConnectionError> =>
      Effect.suspend(() => {
        const failures: Array<ConnectionError> = []
        const refusals: Array<A> = []
        const ask = (broker: Address): Effect.Effect<A, void> =>
          Effect.matchEffect(use(broker, f), {
            onFailure: (error) => {
              failures.push(error)
              return Effect.fail(void 0)
            },
            onSuccess: (answer) => {
              if (codeOf(answer) === NONE) return Effect.succeed(answer)
              refusals.push(answer)
              return Effect.fail(void 0)
            }
          })
        const attempt = ([broker, ...others]: ReadonlyArray<Address>): Effect.Effect<A, void> => {
          if (others.length === 0) return ask(broker)
          return Effect.flatMap(Deferred.make<void>(), (failed) => {
            const first = Effect.tapError(ask(broker), () => Deferred.succeed(failed, void 0))
            const next = Effect.raceFirst(
              Deferred.await(failed),
              Effect.zipRight(Effect.sleep(HEDGE_MILLIS), avoid(broker))
            )
            return Effect.race(first, Effect.andThen(next, attempt(others)))
          })
        }
        const all = order()
        return Effect.catchAll(attempt(all), () => {
          // what is final says more than what may pass
          const refusal = refusals.find((answer) => !describeCode(codeOf(answer)).retriable) ?? refusals.at(-1)
          return refusal === undefined ? Effect.fail(failureOfAll(all, failures)) : Effect.succeed(refusal)
        })
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
        useAny(
          (connection) =>
            Effect.map(connection.request("Metadata", { topics: [topic] }), (answer) => ({
              connection,
              answer,
              found: answer.topics.find((t) => t.name === topic)
            })),
          {
            order: inTurn,
            // that there is no such topic is an answer: of a new one, all brokers know in their time
            codeOf: ({ found }) => (found?.errorCode === UNKNOWN_TOPIC_OR_PARTITION ? NONE : (found?.errorCode ?? NONE))
          }
        ),
        ({ answer, connection, found }) => {
          learn(answer.brokers)
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
      const wanted = at.partitions === undefined ? topic.partitions : partitionsOf(topic, at.partitions)
      const led = [...byLeader(wanted).values()]
      const none = (partition: number, error: ClientError): ListedOffset => ({ partition, offset: -1, error })
      const unled = (partition: number): ListedOffset =>
        none(partition, brokerError({ code: 5, request: "ListOffsets", topic: topic.topic.name, partition }))

      return Effect.forEach(
        led,
        (partitions) => {
          const broker = topic.brokers.get(partitions[0].leader)
          if (broker === undefined) return Effect.succeed(partitions.map((p) => unled(p.partition)))
          return use(broker, (connection) =>
            connection.request("ListOffsets", {
              isolation: at.isolation,
              partitions: partitions.map((p) => ({
                topic: topic.topic,
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
                const code = found.errorCode === 0 && found.offset < 0 ? OFFSET_NOT_AVAILABLE : found.errorCode
                if (code === 0) return { partition, offset: found.offset, error: undefined }
                return none(
                  partition,
                  brokerError({
                    code,
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
        { concurrency: Math.max(1, led.length) }
      ).pipe(Effect.map((lists) => lists.flat().sort((a, b) => a.partition - b.partition)))
    }

    /**
     * Brokers with ZooKeeper create topics at the controller only; in KRaft any broker forwards. Where the one that was said
     * to be the controller is none, another broker is asked who it is.
     */
    const useController = <A extends { readonly errorCode: number }>(
      f: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>,
      attempt = 1
    ): Effect.Effect<A, ConnectionError> =>
      useAny((connection) => connection.request("Metadata", { topics: [] }), { order: inTurn }).pipe(
        Effect.flatMap(({ brokers, controllerId }) => {
          learn(brokers)
          const controller = brokers.find((b) => b.nodeId === controllerId)
          return controller === undefined ? useAny(f, { codeOf: errorCodeOf }) : use(controller, f)
        }),
        Effect.flatMap((answer) =>
          answer.errorCode === NOT_CONTROLLER && attempt < CONTROLLER_ATTEMPTS
            ? Effect.flatMap(retryDelay(driver, attempt - 1), (millis) =>
                Effect.delay(useController(f, attempt + 1), millis)
              )
            : Effect.succeed(answer)
        )
      )

    return {
      [TypeId]: TypeId,
      bootstrap: driver.bootstrap.map(addressOf).join(","),
      backoff: driver.backoff,
      connect,
      describeTopic,
      listOffsets,
      initProducerId: useAny((connection) => connection.request("InitProducerId", { transactional: undefined }), {
        codeOf: errorCodeOf
      }),
      createTopic: (request) => useController((connection) => connection.request("CreateTopics", request)),
      describeConfigs: (topic) =>
        useAny((connection) => connection.request("DescribeConfigs", { topic }), { codeOf: errorCodeOf }),
      alterConfigs: (request) => useController((connection) => connection.request("IncrementalAlterConfigs", request))
    }
  })
