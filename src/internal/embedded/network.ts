/**
 * Connections to the brokers of a cluster, which behave as those of a real driver: see
 * `internal/kafkajs/connection.ts`.
 */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Call, CallName, CallResponse, ConnectionView } from "../../EmbeddedKafka.ts"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { ApiName, Broker, Request, Response } from "../../KafkaProtocol.ts"
import { ConnectionError } from "../../KafkaError.ts"
import { addressOf } from "../client/address.ts"
import { closingWords } from "../client/given.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import { interruptSoon } from "../effect/v4/fibers.ts"
import { offerNow } from "../effect/v4/queues.ts"
import { apiOf } from "../protocol/apis.ts"
import { yieldToEventLoop } from "../yield.ts"
import type { Cluster, Node } from "./cluster.ts"
import { Faults } from "./faults.ts"
import { carryOut } from "./serving.ts"

/** The cluster's features that are in force, as a broker of Kafka 4.1 tells of them. */
const featuresOf = ({ groups, transactionSettings }: Cluster): BrokerConnection["features"] => {
  const levels: Array<readonly [feature: string, level: number]> = [
    ["transaction.version", transactionSettings.version]
  ]
  if (groups.store.settings.consumerProtocol) levels.push(["group.version", 1])
  return new Map(levels.map(([feature, level]) => [feature, { min: level, max: level }]))
}

/** How many answers come between two turns of the event loop. */
const ANSWERS_PER_TURN = 16

export interface ClientSettings {
  readonly clientId: string
  readonly requestTimeoutMillis: number
}

/**
 * Answers a call of an interceptor: with an answer of its own, or with `answer`, which is what would be answered
 * without it.
 */
export type Handler<N extends CallName> = (
  call: Call<N>,
  answer: Effect.Effect<CallResponse<N>, ConnectionError>
) => Effect.Effect<CallResponse<N>, ConnectionError>

export interface Interceptor<N extends CallName = CallName> {
  readonly name: N
  readonly handler: Handler<N>
}

/** The network of one cluster: its connections, and the faults and interceptors between clients and brokers. */
export class Network {
  readonly cluster: Cluster
  readonly faults: Faults
  private readonly interceptors: Array<Interceptor> = []
  readonly connections = new Set<Connection>()
  private answers = 0

  constructor(cluster: Cluster) {
    this.cluster = cluster
    this.faults = new Faults()
  }

  /**
   * Lets the event loop go round now and then, as it does for each answer of a socket, so that timers and others have
   * their turn.
   */
  readonly turn: Effect.Effect<void> = Effect.suspend(() =>
    ++this.answers % ANSWERS_PER_TURN === 0 ? yieldToEventLoop : Effect.void
  )

  addInterceptor<N extends CallName>(interceptor: Interceptor<N>): void {
    this.interceptors.push(interceptor as unknown as Interceptor)
  }

  removeInterceptor<N extends CallName>(interceptor: Interceptor<N>): void {
    this.interceptors.splice(this.interceptors.indexOf(interceptor as unknown as Interceptor), 1)
  }

  /** Resets open connections: all of them, or those of a node or a client. */
  reset(target: { readonly node?: number; readonly clientId?: string } = {}): void {
    for (const connection of [...this.connections]) {
      if (target.node !== undefined && target.node !== connection.node.id) continue
      if (target.clientId !== undefined && target.clientId !== connection.clientId) continue
      connection.down("Closed", "connection", "closed by the broker")
    }
  }

  /**
   * The answer to a call. Interceptors come first, the one that was added last before all others; then faults, then the
   * broker.
   */
  answer<N extends CallName>(call: Call<N>, connection: Connection): Effect.Effect<CallResponse<N>, ConnectionError> {
    if (!connection.node.isRunning) return Effect.fail(connection.refused)
    const carriedOut = (request: Call<N>["request"]) =>
      carryOut(this.cluster, { ...call, request }, connection.address) as Effect.Effect<
        CallResponse<N>,
        ConnectionError
      >
    let answer = Effect.suspend(() => this.faults.apply(call, connection, carriedOut))
    for (const { handler, name } of this.interceptors) {
      if (name !== call.name) continue
      const inner = answer
      answer = Effect.suspend(() => (handler as unknown as Handler<N>)(call, inner))
    }
    return answer
  }

  /** Opens a connection, which closes with the scope, at once. */
  connect(
    settings: ClientSettings,
    broker: Pick<Broker, "host" | "port">
  ): Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope> {
    const node = this.cluster.nodeAt(broker)
    const address = addressOf(broker)
    if (node === undefined) return Effect.fail(unreachable(address))
    return Effect.acquireRelease(
      Effect.suspend(() => Connection.open(this, settings, node, address)),
      (connection, exit) => Effect.sync(() => connection.down("Closed", "connection", closingWords(exit)))
    ).pipe(
      Effect.tap((connection) => connection.call("connect", undefined)),
      Effect.map((connection): BrokerConnection => ({
        address,
        isOpen: () => connection.isOpen,
        features: featuresOf(this.cluster),
        request: <N extends ApiName>(name: N, request: Request<N>) =>
          // For a name that is not `connect`, both are the same types.
          connection.call<ApiName>(
            name,
            request as Request<ApiName>,
            apiOf(name).waitMillis?.(request)
          ) as Effect.Effect<Response<N>, ConnectionError>
      }))
    )
  }
}

const unreachable = (address: string): ConnectionError =>
  new ConnectionError({ reason: "Unreachable", broker: address, request: "connect", detail: "connection refused" })

/** A call on its way. */
interface Pending {
  readonly call: Call<CallName>
  readonly settle: (exit: Exit.Exit<unknown, ConnectionError>) => void
}

/** Both ends of one connection: who calls waits for an answer, and the broker takes one call after the other. */
export class Connection {
  readonly node: Node
  readonly clientId: string
  readonly address: string
  private readonly requestTimeoutMillis: number
  private readonly network: Network
  private readonly calls: Queue.Queue<Pending>
  private readonly unanswered = new Set<Pending>()
  private failure: ConnectionError | undefined
  private broker: Fiber.Fiber<never> | undefined
  private mutedUntil = 0
  /** The offset that was last asked for, by topic and partition. */
  private readonly fetching = new Map<string, Map<number, number>>()

  private constructor(
    network: Network,
    settings: ClientSettings,
    node: Node,
    address: string,
    calls: Queue.Queue<Pending>
  ) {
    this.network = network
    this.clientId = settings.clientId
    this.requestTimeoutMillis = settings.requestTimeoutMillis
    this.node = node
    this.address = address
    this.calls = calls
  }

  static open(network: Network, settings: ClientSettings, node: Node, address: string): Effect.Effect<Connection> {
    return Effect.gen(function* () {
      const connection = new Connection(network, settings, node, address, yield* Queue.unbounded<Pending>())
      network.connections.add(connection)
      // The broker has a fiber of its own, as what it has begun is not undone by a caller who waits no longer.
      connection.broker = yield* Effect.forkDetach(Effect.interruptible(connection.serve))
      return connection
    })
  }

  get isOpen(): boolean {
    return this.failure === undefined
  }

  get refused(): ConnectionError {
    return unreachable(this.address)
  }

  get view(): ConnectionView {
    const [pending] = this.unanswered
    return {
      clientId: this.clientId,
      node: this.node.id,
      pending: pending?.call.name,
      fetching: [...this.fetching].flatMap(([topic, partitions]) =>
        [...partitions].map(([partition, offset]) => ({ topic, partition, offset }))
      )
    }
  }

  mute(millis: number): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      this.mutedUntil = now + millis
    })
  }

  /**
   * Ends the connection for good, and returns the error that it ended with: only the first failure counts. This is
   * synchronous, so that nothing of the connection is left afterwards.
   */
  down(reason: ConnectionError["reason"], request: string, detail: string): ConnectionError {
    return this.fail(new ConnectionError({ reason, broker: this.address, request, detail }))
  }

  private fail(error: ConnectionError): ConnectionError {
    if (this.failure !== undefined) return this.failure
    this.failure = error
    this.network.connections.delete(this)
    if (this.broker !== undefined) interruptSoon(this.broker)
    for (const pending of [...this.unanswered]) pending.settle(Effect.fail(error) as Exit.Exit<never, ConnectionError>)
    return error
  }

  /** Makes a call, and waits for its answer. `extraMillis` is how long the request itself lets the broker wait. */
  call<N extends CallName>(
    name: N,
    request: Call<NoInfer<N>>["request"],
    extraMillis = 0
  ): Effect.Effect<CallResponse<N>, ConnectionError> {
    return Effect.suspend(() => {
      if (this.failure !== undefined) return Effect.fail(this.failure)
      const answered = makeDeferred<CallResponse<N>, ConnectionError>()
      const pending: Pending = {
        call: { name, request, clientId: this.clientId, node: this.node.id },
        settle: (exit) => {
          this.unanswered.delete(pending)
          settleDeferred(answered, exit as Exit.Exit<CallResponse<N>, ConnectionError>)
        }
      }
      this.unanswered.add(pending)
      offerNow(this.calls, pending)
      const millis = this.requestTimeoutMillis + extraMillis
      return Effect.timeoutOrElse(Deferred.await(answered), {
        duration: millis,
        orElse: () => Effect.fail(this.down("Timeout", name, `no answer within ${millis} ms`))
      })
    })
  }

  /** What the broker does: it answers one call after the other, for ever. */
  private get serve(): Effect.Effect<never> {
    return Effect.forever(
      Effect.flatMap(Queue.take(this.calls), (pending) => {
        const answer = Effect.suspend(() => {
          this.noteFetch(pending.call)
          return this.network.answer(pending.call, this)
        })
        return Effect.exit(Effect.andThen(this.unmuted, answer)).pipe(
          Effect.tap(this.network.turn),
          Effect.map((exit) => this.answered(pending, exit))
        )
      })
    )
  }

  private get unmuted(): Effect.Effect<void> {
    if (this.mutedUntil === 0) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const millis = this.mutedUntil - now
      this.mutedUntil = 0
      return millis > 0 ? Effect.sleep(millis) : Effect.void
    })
  }

  private noteFetch(call: Call<CallName>): void {
    if (call.name !== "Fetch") return
    for (const { fetchOffset, partition, topic } of (call as Call<"Fetch">).request.partitions) {
      let offsets = this.fetching.get(topic.name)
      if (offsets === undefined) this.fetching.set(topic.name, (offsets = new Map<number, number>()))
      offsets.set(partition, fetchOffset)
    }
  }

  private answered(pending: Pending, exit: Exit.Exit<unknown, ConnectionError>): void {
    // That the broker does not have the request is no fault of the connection.
    const failure = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
    if (Option.isSome(failure) && failure.value.reason !== "UnsupportedVersion") this.fail(failure.value)
    pending.settle(exit)
  }
}
