/**
 * The fetch loop of one leader: one connection, and one long poll at a time. The next one is under way while the
 * consumer still applies the answer to the last one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { ClientError } from "../../KafkaError.ts"
import type { Broker, FetchedPartition, FetchResponse } from "../../KafkaProtocol.ts"
import { addressOf } from "../client/address.ts"
import { retryDelay } from "../client/backoff.ts"
import { millisOf } from "../effect/clock.ts"
import { ledBy } from "../client/leaders.ts"
import { finderOf } from "../protocol/api.ts"
import { CORRUPT_MESSAGE, OFFSET_OUT_OF_RANGE, THROTTLING_QUOTA_EXCEEDED } from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { scan, type Scan } from "../recordBatch/scan.ts"
import { untilEnded } from "./untilEnded.ts"
import { advance, doubt, LONG_AWAY_MILLIS } from "./advance.ts"
import { hasLeft, isDenial, isDue, isPassing, truncated, type SourceContext } from "./context.ts"
import type { Arrival, Cursor, FetchedRecords } from "./cursor.ts"
import { ofLeader, ofPartition, ofThrottle } from "./failures.ts"

/** A partition whose leader refuses it as corrupt this often in a row does not heal by itself. */
const MAX_CORRUPT_ANSWERS = 5

/**
 * More hasty answers in a row than this are no accident. An answer is hasty if it has nothing, and comes long before
 * the broker was to give up waiting. Asked again at once, such a broker would go on like that, so there are pauses
 * then, no longer than the broker was to wait.
 */
const MANY_HASTY_ANSWERS = 10

/** A broker that makes this client wait for less than this, in milliseconds, only slows it down: nobody is told. */
const LONG_THROTTLE_MILLIS = 1_000

/** A cursor that a fetch asks for, and where it was when the fetch was sent. */
interface Asked {
  readonly cursor: Cursor
  readonly generation: number
  readonly fetchOffset: number
}

/** What was answered about one cursor that was asked for. */
interface Answered {
  readonly asked: Asked
  /** `undefined` if the answer does not have this partition. */
  readonly found: FetchedPartition | undefined
  /** What the headers of its batches say; `undefined` if there are none. */
  readonly scanned: Scan | undefined
}

/** One answer to a fetch, cursor by cursor. */
interface Received {
  readonly connection: BrokerConnection
  readonly answered: ReadonlyArray<Answered>
  /** When the fetch was sent, and when its answer came, in milliseconds of the Clock. */
  readonly askedAt: number
  readonly now: number
  /** Whether the broker makes this client wait because of a quota. */
  readonly isThrottled: boolean
}

/** The topic of these cursors, if all of them are of the same topic. */
const topicOfAll = (cursors: ReadonlyArray<Cursor>): { readonly topic?: string } => {
  const names = new Set(cursors.map(({ topic }) => topic.name))
  const [topic] = names
  return names.size === 1 ? { topic } : {}
}

/** Whether an answer has nothing in it that anything could come of, not even how long to wait before asking again. */
const hasNothing = ({ partitions, throttleMillis }: FetchResponse): boolean =>
  throttleMillis === 0 &&
  partitions.every(({ diverging, errorCode, records }) => {
    return errorCode === 0 && diverging === undefined && records.length === 0
  })

/** Fetches from one leader until that has left the cluster; then it calls `ended`, in the step in which it ends. */
export const runFetcher = (context: SourceContext, leader: number, ended: () => void): Effect.Effect<void> => {
  const { client, fetch, isolation } = context.options
  const ofThis = ofLeader(leader)
  /** Attempts in a row that have failed. */
  let attempts = 0
  /** Which of the cursors that can be asked for is the first in the next fetch, so that each has its turn. */
  let rotation = 0
  /** Whether it was told that the leader is lost, and not yet that it is back. */
  let lost = false
  /** Whether it was told that the leader makes this client wait, and that is not over yet. */
  let isThrottled = false
  /** Hasty answers in a row: see `MANY_HASTY_ANSWERS`. */
  let hasty = 0

  /** The cursors that this leader leads. */
  const mine = (): ReadonlyArray<Cursor> => ledBy(context.led, leader)

  /** What this leader can be asked for now, in the order that gives each partition its turn. */
  const ready = (now: number): ReadonlyArray<Asked> => {
    const asked: Array<Asked> = []
    for (const cursor of mine()) {
      if (cursor.phase !== "fetching" || !isDue(context, cursor, now)) continue
      asked.push({ cursor, generation: cursor.generation, fetchOffset: cursor.fetchOffset })
    }
    const first = rotation++ % Math.max(1, asked.length)
    return first === 0 ? asked : [...asked.slice(first), ...asked.slice(0, first)]
  }

  /**
   * Waits until there is something to ask this leader for, and gives it; nothing if the leader leads nothing any more.
   */
  const next = (clock: Clock.Clock): Effect.Effect<ReadonlyArray<Asked>> =>
    Effect.suspend(() => {
      const seen = context.changed.version
      const now = millisOf(clock)
      const asked = ready(now)
      if (asked.length > 0) return Effect.succeed(asked)
      const all = mine()
      if (all.length === 0) return Effect.succeed(asked)
      const wake = Math.min(...all.filter((p) => p.phase === "fetching").map((p) => p.retryAt))
      const wait = Number.isFinite(wake) ? wake - now : undefined
      return Effect.zipRight(context.changed.after(seen, wait), next(clock))
    })

  /**
   * How long the broker may wait for records. A partition that is left out of this fetch is not to wait for the end of
   * a long poll once it can be asked for.
   */
  const maxWaitMillis = (asked: ReadonlyArray<Asked>, now: number): number => {
    const included = new Set(asked.map((one) => one.cursor))
    let millis = fetch.maxWaitMillis
    for (const p of mine()) {
      if (included.has(p)) continue
      millis = Math.min(millis, p.phase === "fetching" ? Math.max(1, p.retryAt - now) : client.backoff.initialMillis)
    }
    return millis
  }

  const request = (connection: BrokerConnection, asked: ReadonlyArray<Asked>, waitMillis: number) =>
    connection.request("Fetch", {
      isolation,
      maxWaitMillis: waitMillis,
      minBytes: fetch.minBytes,
      maxBytes: fetch.maxBytes,
      partitions: asked.map(({ cursor: p, fetchOffset }) => ({
        topic: p.topic.description!.topic,
        partition: p.partition,
        leaderEpoch: p.leaderEpoch,
        fetchOffset,
        lastFetchedEpoch: p.lastEpoch,
        maxBytes: p.maxBytes
      }))
    })

  /** Fetches on one connection until that fails, a fresh one is wanted (`reconnect`), or there is nothing to fetch. */
  const session = (broker: Broker): Effect.Effect<void, ClientError> =>
    Effect.scoped(
      Effect.gen(function* () {
        const clock = yield* Effect.clock
        if ((yield* next(clock)).length === 0) return
        const connection = yield* client.connect(broker)
        context.reconnect.delete(leader)
        while (!context.reconnect.has(leader)) {
          const asked = yield* next(clock)
          if (asked.length === 0 || context.reconnect.has(leader)) return
          const askedAt = millisOf(clock)
          const waitMillis = maxWaitMillis(asked, askedAt)
          const answer = yield* request(connection, asked, waitMillis)
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
          yield* take(connection, asked, askedAt, now, answer)
          hasty = now - askedAt < waitMillis / 2 && hasNothing(answer) ? hasty + 1 : 0
          if (hasty > MANY_HASTY_ANSWERS) {
            const pause = yield* retryDelay(client, hasty - MANY_HASTY_ANSWERS)
            yield* Effect.sleep(Math.min(pause, waitMillis))
          }
        }
      })
    )

  /** Waits as long as the broker says. A long wait is told, as the consumer's content ages meanwhile. */
  const throttle = (broker: string, millis: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      const isFirst = !isThrottled
      isThrottled = millis >= LONG_THROTTLE_MILLIS
      if (!isThrottled) {
        context.failures.delete(ofThrottle(leader))
        for (const p of mine()) p.throttledUntil = undefined
        return yield* Effect.sleep(millis)
      }
      const until = (yield* Clock.currentTimeMillis) + millis
      for (const p of mine()) {
        p.throttledUntil = until
        p.connected = false
      }
      const detail = `told to wait for ${millis} ms`
      context.failures.set(
        ofThrottle(leader),
        brokerError({ code: THROTTLING_QUOTA_EXCEEDED, request: "Fetch", broker, detail, ...topicOfAll(mine()) })
      )
      if (isFirst) yield* context.options.onThrottled({ broker, millis })
      yield* waitUntil(until)
    })

  /** Waits until that time, as long as this leader leads anything that is read. */
  const waitUntil = (until: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      for (;;) {
        const seen = context.changed.version
        const left = until - (yield* Clock.currentTimeMillis)
        if (left <= 0 || mine().length === 0) return
        yield* context.changed.after(seen, left)
      }
    })

  /**
   * Takes an answer: has `prepare` find out what has to be known first, hands on what has come, and waits as long as
   * the broker says. What has to be known can only be asked for when the broker reads from the connection again.
   */
  const take = (
    connection: BrokerConnection,
    asked: ReadonlyArray<Asked>,
    askedAt: number,
    now: number,
    answer: FetchResponse
  ): Effect.Effect<void> => {
    const find = finderOf(answer.partitions)
    const answered = asked.map((asked): Answered => {
      const { partition, topic } = asked.cursor
      const found = find(topic.name, partition)
      const isEmpty = found === undefined || found.records.length === 0
      return { asked, found, scanned: isEmpty ? undefined : scan(found.records, asked.fetchOffset) }
    })
    const { throttleMillis } = answer
    const received: Received = { connection, answered, askedAt, now, isThrottled: throttleMillis > 0 }
    const waiting = throttleMillis > 0 || isThrottled ? throttle(connection.address, throttleMillis) : undefined
    const preparing = prepare(received)
    if (preparing === undefined) {
      const taking = handOn(received)
      return waiting === undefined ? taking : Effect.zipRight(taking, waiting)
    }
    const prepared = waiting === undefined ? preparing : Effect.zipRight(waiting, preparing)
    return Effect.flatMap(prepared, () => handOn(received))
  }

  /** Has the consumer find out what has to be known of cursors that have not been at the head for long. */
  const prepare = ({ answered, askedAt, connection }: Received): Effect.Effect<void> | undefined => {
    const arrivals = answered.flatMap(({ asked, found, scanned }): ReadonlyArray<Arrival> => {
      const { cursor: p, fetchOffset } = asked
      const { headAt, partition, topic } = p
      if (found === undefined || askedAt - headAt <= LONG_AWAY_MILLIS || p.phase !== "fetching") return []
      const isComplete = p.reachedHead || (scanned?.nextOffset ?? fetchOffset) >= p.end
      return [{ topic: topic.name, partition, isComplete, headAt }]
    })
    return arrivals.length === 0 ? undefined : context.options.prepare?.(arrivals, askedAt, connection)
  }

  /**
   * Moves the cursors past what was fetched, and hands that to the consumer. All that can be done at once is done by
   * this plain function; the Effect that it returns is what has to wait.
   */
  const handOn = ({ answered, askedAt, connection, isThrottled, now }: Received): Effect.Effect<void> => {
    const partitions: Array<FetchedRecords> = []
    const waiting: Array<Effect.Effect<void>> = []
    for (const { asked, found, scanned } of answered) {
      const p = asked.cursor
      // After a jump, or where a new leader was faster, the answer is about another place than the cursor's.
      if (p.leader !== leader || p.generation !== asked.generation || p.fetchOffset !== asked.fetchOffset) continue
      if (p.phase !== "fetching") continue
      if (found === undefined) {
        // A partition that is left out of an answer is asked for again; a throttled answer says itself when.
        if (!isThrottled) waiting.push(delay(p, now))
        continue
      }
      if (found.errorCode !== 0) {
        waiting.push(refused(connection, p, found.errorCode, now))
        continue
      }
      if (context.failures.size > 0) waiting.push(context.granted(ofPartition(p.topic.name, p.partition)))
      p.attempts = 0
      p.connected = true
      p.lastFetchAt = now
      if (found.diverging !== undefined) {
        waiting.push(truncated(context, p, "Tail", asked.fetchOffset, found.diverging.endOffset))
        continue
      }
      const records = advance(context, p, found, scanned, askedAt, now)
      if (Effect.isEffect(records)) waiting.push(records)
      else if (records !== undefined) partitions.push(records)
    }
    if (partitions.length > 0) {
      waiting.push(context.events.offer({ _tag: "Fetched", askedAt, answeredAt: now, partitions }))
    }
    return waiting.length === 1 ? waiting[0] : Effect.all(waiting, { discard: true })
  }

  /** Puts off the next attempt for a cursor. */
  const delay = (p: Cursor, now: number): Effect.Effect<void> =>
    Effect.map(retryDelay(client, p.attempts++), (millis) => {
      p.retryAt = now + millis
    })

  /** Deals with an error code for one partition, while all others go on. */
  const refused = (connection: BrokerConnection, p: Cursor, code: number, now: number) =>
    Effect.gen(function* () {
      const { partition } = p
      const topic = p.topic.name
      const where = ofPartition(topic, partition)
      const error = brokerError({ code, request: "Fetch", broker: connection.address, topic, partition })
      p.connected = false
      if (code === OFFSET_OUT_OF_RANGE) return doubt(context, p, "range")
      context.failures.set(where, error)
      if (isDenial(error)) {
        p.retryAt = now + context.options.deniedRetryMillis
        return yield* context.denied(where, error)
      }
      if (code === CORRUPT_MESSAGE && p.attempts >= MAX_CORRUPT_ANSWERS) return yield* context.fatal(topic, error)
      if (!isPassing(error)) return yield* context.fatal(topic, error)
      yield* delay(p, now)
      context.refresh()
    })

  /** Deals with a failure of the whole connection, and waits before the next one is opened. */
  const failed = (error: ClientError, address: string) =>
    Effect.gen(function* () {
      context.failures.set(ofThis, error)
      for (const p of mine()) p.connected = false
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
    if (mine().length === 0) {
      // Nothing is read from this leader, so no failure of it stands in anybody's way.
      context.failures.delete(ofThrottle(leader))
      return Effect.zipRight(
        context.granted(ofThis),
        hasLeft(context, leader) ? Effect.void : context.changed.after(seen)
      )
    }
    if (broker === undefined) {
      // It was named as a leader by a broker that does not know its address.
      context.refresh()
      return context.changed.after(seen, client.backoff.maxMillis)
    }
    return Effect.catchAll(session(broker), (error) => failed(error, addressOf(broker)))
  })

  return untilEnded(once, () => {
    if (!hasLeft(context, leader) || context.failures.get(ofThis) !== undefined) return false
    context.failures.delete(ofThrottle(leader))
    ended()
    return true
  })
}
