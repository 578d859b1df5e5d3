/**
 * Asks one broker, any broker, or the controller, over shared connections, and passes by brokers that do not answer.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Backoff, BrokerConnection } from "../../KafkaClient.ts"
import { ConnectionError } from "../../KafkaError.ts"
import { NONE, NOT_CONTROLLER } from "../protocol/codes.ts"
import { describeCode } from "../protocol/errorCodes.ts"
import { type Address, addressOf } from "./address.ts"
import { retryDelay } from "./backoff.ts"
import type { SharedConnections } from "./connections.ts"
import type { KnownBrokers } from "./knownBrokers.ts"

/** How often the controller is looked for, if the broker that was named as it is not the controller. */
const CONTROLLER_ATTEMPTS = 4

/** How long a broker may be silent before another one is asked as well, in milliseconds. */
const HEDGE_MILLIS = 1_000

/** A request, as it is made on whichever connection. */
type Ask<A> = (connection: BrokerConnection) => Effect.Effect<A, ConnectionError>

interface AnyOptions<A> {
  /** The error code of an answer; where it is not 0, the next broker is asked. Default: every answer is taken. */
  readonly codeOf?: (answer: A) => number
  /** The brokers, in the order in which they are asked. Default: `KnownBrokers.candidates`. */
  readonly order?: ReadonlyArray<Address>
}

/** The error code of an answer that has one for all of it. */
export const errorCodeOf = (answer: { readonly errorCode: number }): number => answer.errorCode

/** Asks brokers over their shared connections. */
export class Asking {
  constructor(
    readonly brokers: KnownBrokers,
    private readonly shared: SharedConnections,
    readonly backoff: Backoff
  ) {}

  /** Asks this broker, once, and remembers whether it answered. */
  one<A>(broker: Address, ask: Ask<A>): Effect.Effect<A, ConnectionError> {
    return this.shared.use(broker, ask).pipe(
      Effect.map((answer) => {
        this.brokers.trust(broker)
        return answer
      }),
      Effect.tapError(() => this.avoid(broker))
    )
  }

  /** Has this broker asked after the others, until it answers. */
  avoid(broker: Address): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => this.brokers.avoid(broker, now))
  }

  /**
   * Gives the first good answer of a broker. The next broker is asked as well when one fails, refuses the connection,
   * answers with an error code (`codeOf`), or has not answered for a second, as it may be frozen. If no broker can
   * answer, the answer or the failure that says most stands for all.
   */
  any<A>(ask: Ask<A>, { codeOf = () => NONE, order }: AnyOptions<A> = {}): Effect.Effect<A, ConnectionError> {
    return Effect.suspend(() => {
      const failures: Array<ConnectionError> = []
      const refusals: Array<A> = []
      const askOne = (broker: Address): Effect.Effect<A, void> =>
        Effect.matchEffect(this.one(broker, ask), {
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
        if (others.length === 0) return askOne(broker)
        return Effect.flatMap(Deferred.make<void>(), (failed) => {
          const first = Effect.tapError(askOne(broker), () => Deferred.succeed(failed, void 0))
          const next = Effect.raceFirst(
            Deferred.await(failed),
            Effect.andThen(Effect.sleep(HEDGE_MILLIS), this.avoid(broker))
          )
          return Effect.race(first, Effect.andThen(next, attempt(others)))
        })
      }
      const all = order ?? this.brokers.candidates()
      return Effect.catch(attempt(all), () => {
        // What is final says more than what may pass.
        const refusal = refusals.find((answer) => !describeCode(codeOf(answer)).retriable) ?? refusals.at(-1)
        return refusal === undefined ? Effect.fail(failureOfAll(all, failures)) : Effect.succeed(refusal)
      })
    })
  }

  /** Asks as `any` does, but begins with another broker each time. */
  anyInTurn<A>(ask: Ask<A>, options: Pick<AnyOptions<A>, "codeOf"> = {}): Effect.Effect<A, ConnectionError> {
    return Effect.suspend(() => this.any(ask, { ...options, order: this.brokers.inTurn() }))
  }

  /**
   * Asks the controller: in a cluster with ZooKeeper, only that creates topics, while in KRaft any broker forwards such
   * a request. Where the broker that was named as the controller is not the controller, another broker is asked who is.
   */
  controller<A extends { readonly errorCode: number }>(ask: Ask<A>, attempt = 1): Effect.Effect<A, ConnectionError> {
    return this.anyInTurn((connection) => connection.request("Metadata", { topics: [] })).pipe(
      Effect.flatMap(({ brokers, controllerId }) => {
        this.brokers.learn(brokers)
        const controller = brokers.find((b) => b.nodeId === controllerId)
        return controller === undefined ? this.any(ask, { codeOf: errorCodeOf }) : this.one(controller, ask)
      }),
      Effect.flatMap((answer) =>
        answer.errorCode === NOT_CONTROLLER && attempt < CONTROLLER_ATTEMPTS
          ? Effect.flatMap(retryDelay(this, attempt - 1), (millis) =>
              Effect.delay(this.controller(ask, attempt + 1), millis)
            )
          : Effect.succeed(answer)
      )
    )
  }
}

/**
 * The one of several brokers' failures that is told. A denial comes first, as the broker that could be reached says
 * what has to be mended, and those that are down do not. Otherwise the last failure stands for all of them.
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
