/**
 * The fetch loop of one leader: one connection, and one long poll at a time. The next one is under way while the
 * consumer still applies the answer to the last one.
 */
import * as Effect from "effect/Effect"
import type { ClientError } from "../../KafkaError.ts"
import type { Broker, FetchResponse } from "../../KafkaProtocol.ts"
import { addressOf } from "../client/address.ts"
import { retryDelay } from "../client/backoff.ts"
import { currentClock, millisOf } from "../effect/v4/clock.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { cursorsOf, hasLeft, isDenial, type SourceContext } from "./context.ts"
import { receive, takeAnswer } from "./fetchAnswer.ts"
import { makeFetchRequests } from "./fetchRequest.ts"
import { ofLeader, ofThrottle } from "./failures.ts"
import { makeThrottling } from "./throttling.ts"
import { untilEnded } from "./untilEnded.ts"

/**
 * More hasty answers in a row than this are no accident. An answer is hasty if it has nothing, and comes long before
 * the broker was to give up waiting. Asked again at once, such a broker would go on like that, so there are pauses
 * then, no longer than the broker was to wait.
 */
const MANY_HASTY_ANSWERS = 10

/** Whether an answer has nothing in it that anything could come of, not even how long to wait before asking again. */
const hasNothing = ({ partitions, throttleMillis }: FetchResponse): boolean =>
  throttleMillis === 0 &&
  partitions.every(({ diverging, errorCode, records }) => {
    return errorCode === 0 && diverging === undefined && records.length === 0
  })

/** Fetches from one leader until that has left the cluster; then it calls `ended`, in the step in which it ends. */
export const runFetcher = (context: SourceContext, leader: number, ended: () => void): Effect.Effect<void> => {
  const { client, fetch, idleWaitMillis = fetch.maxWaitMillis } = context.options
  const ofThis = ofLeader(leader)
  /** Attempts in a row that have failed. */
  let attempts = 0
  /** Whether it was told that the leader is lost, and not yet that it is back. */
  let lost = false
  /** Hasty answers in a row: see `MANY_HASTY_ANSWERS`. */
  let hasty = 0
  /** Whether the last fetch has waited for all its time, and nothing came. */
  let isIdle = false
  const { maxWaitMillis, next, request, untilOther } = makeFetchRequests(context, leader)
  const throttled = makeThrottling(context, leader)

  /** Fetches on one connection until that fails, a fresh one is wanted (`reconnect`), or there is nothing to fetch. */
  const session = (broker: Broker): Effect.Effect<void, ClientError> =>
    Effect.scoped(
      Effect.gen(function* () {
        const clock = yield* currentClock
        if ((yield* next(clock)).length === 0) return
        const connection = yield* client.connect(broker)
        context.reconnect.delete(leader)
        while (!context.reconnect.has(leader)) {
          const asked = yield* next(clock)
          if (asked.length === 0 || context.reconnect.has(leader)) return
          const askedAt = millisOf(clock)
          const waitMillis = maxWaitMillis(asked, askedAt, isIdle ? idleWaitMillis : fetch.maxWaitMillis)
          const asking = connection.request("Fetch", request(asked, waitMillis))
          const answer =
            waitMillis > fetch.maxWaitMillis ? yield* Effect.raceFirst(asking, untilOther(asked, clock)) : yield* asking
          // What comes behind a fetch that waits would wait, too: so the next one goes by another connection.
          if (answer === undefined) return
          if (answer.errorCode !== 0) {
            return yield* Effect.fail(
              brokerError({ code: answer.errorCode, request: "Fetch", broker: connection.address })
            )
          }
          attempts = 0
          if (context.failures.get(ofThis) !== undefined) yield* context.granted(ofThis)
          if (lost) {
            lost = false
            yield* context.options.onConnection({ state: "back", broker: connection.address, error: undefined })
          }
          const now = millisOf(clock)
          const received = receive(asked, answer, { leader, connection, askedAt, now })
          yield* takeAnswer(context, received, throttled(connection.address, answer.throttleMillis))
          const isEmpty = hasNothing(answer)
          isIdle = isEmpty && now - askedAt >= waitMillis / 2
          hasty = isEmpty && !isIdle ? hasty + 1 : 0
          if (hasty > MANY_HASTY_ANSWERS) {
            const pause = yield* retryDelay(client, hasty - MANY_HASTY_ANSWERS)
            yield* Effect.sleep(Math.min(pause, waitMillis))
          }
        }
      })
    )

  /** Deals with a failure of the whole connection, and waits before the next one is opened. */
  const failed = (error: ClientError, address: string) =>
    Effect.gen(function* () {
      context.failures.set(ofThis, error)
      for (const p of cursorsOf(context, leader)) p.connected = false
      if (!lost) {
        lost = true
        yield* context.options.onConnection({ state: "lost", broker: address, error })
      }
      if (isDenial(error)) {
        yield* context.denied(ofThis, error)
        return yield* Effect.sleep(context.options.deniedRetryMillis)
      }
      if (error.reason === "UnsupportedVersion") return yield* context.fatal(undefined, error)
      context.refresh()
      yield* Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
    })

  const once = Effect.suspend(() => {
    const seen = context.changed.version
    const broker = context.brokers.get(leader)
    if (cursorsOf(context, leader).length === 0) {
      // Nothing is read from this leader, so no failure of it stands in anybody's way.
      context.failures.delete(ofThrottle(leader))
      return Effect.andThen(
        context.granted(ofThis),
        hasLeft(context, leader) ? Effect.void : context.changed.after(seen)
      )
    }
    if (broker === undefined) {
      // It was named as a leader by a broker that does not know its address.
      context.refresh()
      return context.changed.after(seen, client.backoff.maxMillis)
    }
    return Effect.catch(session(broker), (error) => failed(error, addressOf(broker)))
  })

  return untilEnded(once, () => {
    if (!hasLeft(context, leader) || context.failures.get(ofThis) !== undefined) return false
    context.failures.delete(ofThrottle(leader))
    ended()
    return true
  })
}
