/**
 * The broker that coordinates a group, or the transactions of a transactional id: which one it is, and requests to it,
 * over shared connections or connections of one's own.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { BrokerConnection, Coordinator } from "../../KafkaClient.ts"
import { BrokerError, type ClientError, type ConnectionError } from "../../KafkaError.ts"
import type { ApiName, Broker, FindCoordinatorRequest, Request, Response } from "../../KafkaProtocol.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import { COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NONE, NOT_COORDINATOR } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { type Address, addressOf } from "./address.ts"
import { type Asking, errorCodeOf } from "./asking.ts"
import { retryDelay } from "./backoff.ts"
import { makeSharedConnections, type SharedConnections } from "./connections.ts"

/** How often the coordinator is looked for, if the broker that was named as it is not, or not yet. */
const ATTEMPTS = 4

/** The requests whose answers wait for other members of the group, as does what comes behind them on a connection. */
const WAITING: ReadonlySet<ApiName> = new Set<ApiName>(["JoinGroup", "SyncGroup"])

/**
 * How long such an answer is waited for, in milliseconds, until the other brokers are asked whether the coordinator is still
 * the same, and how long until they are asked again: one that is frozen, or cut off, says nothing when another one takes over.
 */
const LOOK_MILLIS = 5_000

const AWAY: ReadonlySet<number> = new Set([COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR])

/** The codes of an answer: one for all of it, one for each of its partitions, or both. */
interface Coded {
  readonly errorCode?: number
  readonly partitions?: ReadonlyArray<{ readonly errorCode: number }>
}

/** The code by which a broker says that it is not the coordinator, or not ready to be it; 0 if it does not say so. */
const awayCodeOf = ({ errorCode = NONE, partitions = [] }: Coded): number => {
  if (AWAY.has(errorCode)) return errorCode
  return partitions.length > 0 && partitions.every((p) => AWAY.has(p.errorCode)) ? partitions[0].errorCode : NONE
}

const subjectOf = ({ key, type }: FindCoordinatorRequest) =>
  type === "group" ? { group: key } : { transactionalId: key }

/** Asks any broker which one is the coordinator. */
const findCoordinator = (asking: Asking, of: FindCoordinatorRequest): Effect.Effect<Broker, ClientError> =>
  Effect.flatMap(
    asking.any(
      (connection) =>
        Effect.map(connection.request("FindCoordinator", of), (answer) => ({ ...answer, broker: connection.address })),
      { codeOf: errorCodeOf }
    ),
    ({ broker, coordinator, errorCode: code, errorMessage: detail }) =>
      coordinator === undefined
        ? Effect.fail(brokerError({ code, request: "FindCoordinator", broker, ...subjectOf(of), detail }))
        : Effect.succeed(coordinator)
  )

/** Fails with what says that this broker is not the coordinator; any other answer is given back. */
const unlessAway = <N extends ApiName>(
  of: FindCoordinatorRequest,
  broker: Address,
  request: N,
  answer: Response<N>
): Effect.Effect<Response<N>, BrokerError> => {
  const code = awayCodeOf(answer as Coded)
  return code === NONE
    ? Effect.succeed(answer)
    : Effect.fail(brokerError({ code, request, broker: addressOf(broker), ...subjectOf(of) }))
}

/** Asks the coordinator over shared connections, and looks for it some times where it has moved or is not ready yet. */
export const askCoordinator = <N extends ApiName>(
  asking: Asking,
  of: FindCoordinatorRequest,
  name: N,
  request: Request<N>,
  attempt = 1
): Effect.Effect<Response<N>, ClientError> =>
  findCoordinator(asking, of).pipe(
    Effect.flatMap((broker) =>
      Effect.flatMap(
        asking.one(broker, (connection) => connection.request(name, request)),
        (answer) => unlessAway(of, broker, name, answer)
      )
    ),
    Effect.catch((error) =>
      error instanceof BrokerError && error.retriable && attempt < ATTEMPTS
        ? Effect.flatMap(retryDelay(asking, attempt - 1), (millis) =>
            Effect.delay(askCoordinator(asking, of, name, request, attempt + 1), millis)
          )
        : Effect.fail(error)
    )
  )

/** One coordinator, for who asks it again and again: where it is, and two connections to it. */
class OwnCoordinator {
  /** Where it is; `undefined` while it has to be looked for. */
  private broker: Broker | undefined
  /** Where it was when it was last found. */
  private last: Broker | undefined
  /** Whoever looks for it at the moment: the others wait for the outcome, which is `undefined` if that was given up. */
  private finding: Deferred.Deferred<Broker | undefined, ClientError> | undefined
  /** How often in a row it was not found, or did not answer. */
  private failures = 0
  /** Until when it is not looked for again, in milliseconds of the Clock. */
  private pausedUntil = 0

  constructor(
    private readonly asking: Asking,
    private readonly of: FindCoordinatorRequest,
    private readonly prompt: SharedConnections,
    private readonly waiting: SharedConnections
  ) {}

  request<N extends ApiName>(name: N, request: Request<N>): Effect.Effect<Response<N>, ClientError> {
    return Effect.flatMap(this.find, (broker) =>
      (WAITING.has(name)
        ? Effect.raceFirst(
            this.use(this.waiting, broker, (connection) => connection.request(name, request)),
            this.moved(broker, name)
          )
        : this.use(this.prompt, broker, (connection) => connection.request(name, request))
      ).pipe(
        Effect.flatMap((answer) => unlessAway(this.of, broker, name, answer)),
        Effect.tapError((error) => (error instanceof BrokerError ? this.lost(broker) : Effect.void)),
        Effect.tap(() =>
          Effect.sync(() => {
            if (this.broker === broker) this.failures = 0
          })
        )
      )
    )
  }

  get features(): Effect.Effect<BrokerConnection["features"], ClientError> {
    return Effect.flatMap(this.find, (broker) =>
      this.use(this.prompt, broker, (connection) => Effect.succeed(connection.features))
    )
  }

  private use<A>(
    connections: SharedConnections,
    broker: Broker,
    ask: (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>
  ): Effect.Effect<A, ConnectionError> {
    // What comes behind a request that was given up would wait for the answer to that, which may never come.
    const asked = (connection: BrokerConnection) => Effect.onInterrupt(ask(connection), () => connections.drop(broker))
    return connections.use(broker, asked).pipe(
      Effect.tapError((error) =>
        // That the broker does not have the request does not make another one the coordinator.
        error.reason === "UnsupportedVersion"
          ? Effect.void
          : Effect.andThen(this.asking.avoid(broker), this.lost(broker))
      ),
      Effect.onInterrupt(() => this.doubted(broker))
    )
  }

  /** Fails once another broker is the coordinator, so that nobody waits for the answer of this one. */
  private moved(broker: Broker, request: ApiName): Effect.Effect<never, BrokerError> {
    return Effect.delay(Effect.option(findCoordinator(this.asking, this.of)), LOOK_MILLIS).pipe(
      Effect.flatMap((found) =>
        found._tag === "None" || addressOf(found.value) === addressOf(broker)
          ? this.moved(broker, request)
          : Effect.fail(
              brokerError({ code: NOT_COORDINATOR, request, broker: addressOf(broker), ...subjectOf(this.of) })
            )
      )
    )
  }

  /** Where the coordinator is. Concurrent callers share one look. */
  private get find(): Effect.Effect<Broker, ClientError> {
    return Effect.suspend(() => {
      if (this.broker !== undefined) return Effect.succeed(this.broker)
      if (this.finding !== undefined) {
        return Effect.flatMap(Deferred.await(this.finding), (found) =>
          found === undefined ? this.find : Effect.succeed(found)
        )
      }
      return this.look
    })
  }

  private get look(): Effect.Effect<Broker, ClientError> {
    return Effect.uninterruptibleMask((restore) => {
      const finding = makeDeferred<Broker | undefined, ClientError>()
      this.finding = finding
      return this.afterPause.pipe(
        Effect.andThen(findCoordinator(this.asking, this.of)),
        Effect.tapError(() => this.failed),
        Effect.tap((broker) => this.found(broker)),
        restore,
        Effect.onExit((exit) =>
          Effect.sync(() => {
            this.finding = undefined
            const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
            // Whoever was interrupted leaves it to the others to look.
            settleDeferred(
              finding,
              Exit.isSuccess(exit) ? exit : error === undefined ? Exit.succeed(undefined) : Exit.fail(error)
            )
          })
        )
      )
    })
  }

  private get afterPause(): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now < this.pausedUntil ? Effect.sleep(this.pausedUntil - now) : Effect.void
    )
  }

  /** Takes over where it is. Connections to where it was are of no use any more. */
  private found(broker: Broker): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { last } = this
      this.broker = this.last = broker
      if (last === undefined || addressOf(last) === addressOf(broker)) return Effect.void
      return Effect.andThen(this.prompt.drop(last), this.waiting.drop(last))
    })
  }

  /** Notes that this broker is not the coordinator, or cannot be asked: the next request looks for it, after a pause. */
  private lost(broker: Broker): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.broker !== broker) return Effect.void
      this.broker = undefined
      return this.failed
    })
  }

  /** Notes that its answer was not waited for any longer: the next request looks for it, and asks the others first. */
  private doubted(broker: Broker): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.broker === broker) this.broker = undefined
      return this.asking.avoid(broker)
    })
  }

  private get failed(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const millis = yield* retryDelay(this.asking, this.failures++)
      this.pausedUntil = (yield* Clock.currentTimeMillis) + millis
    })
  }
}

/** A coordinator with connections of its own, which are opened when they are needed, and closed with the scope. */
export const makeCoordinator = (
  asking: Asking,
  connect: (broker: Address) => Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope>,
  of: FindCoordinatorRequest
): Effect.Effect<Coordinator, never, Scope.Scope> =>
  Effect.gen(function* () {
    // Connections are opened later, and closed when this scope is, whatever was added to the caller's scope meanwhile: a
    // member that ends with that scope leaves its group over them.
    const ownScope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const [prompt, waiting] = yield* Scope.provide(
      Effect.all([makeSharedConnections(connect), makeSharedConnections(connect)]),
      ownScope
    )
    const own = new OwnCoordinator(asking, of, prompt, waiting)
    return {
      ...of,
      features: Effect.suspend(() => own.features),
      request: (name, request) => own.request(name, request)
    }
  })
