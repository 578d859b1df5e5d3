/** The fetch loop of one leader: one connection, one long poll at a time, the next one under way while this one is applied. */
import { millisOf } from "../effect/clock.ts"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { BrokerConnection } from "../../KafkaClient.ts"
import type { Broker, FetchedPartition, FetchResponse } from "../../KafkaProtocol.ts"
import { CorruptBatchError, type ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { ledBy } from "../leaders.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { untilEnded } from "../untilEnded.ts"
import { scan, type Scan } from "../recordBatch/scan.ts"
import { hasLeft, isDenial, isDue, isPassing, truncated, type SourceContext } from "./context.ts"
import type { Arrival, Cursor, FetchedRecords } from "./cursor.ts"
import { ofLeader, ofPartition, ofThrottle } from "./failures.ts"

/** Refused this often in a row with an error that should pass, a partition does not heal by itself. */
const CORRUPT_MESSAGE = 2
const MAX_CORRUPT_ANSWERS = 5
const OFFSET_OUT_OF_RANGE = 1
const THROTTLING_QUOTA_EXCEEDED = 89
/**
 * So many answers in a row that have nothing, and come long before the broker was to give up waiting, are no accident:
 * asked again at once, it would go on and on. So there are pauses then, no longer than the broker was to wait.
 */
const MANY_HASTY_ANSWERS = 10
/** A broker that tells to wait for less than this slows a table down, and no more. */
const LONG_THROTTLE_MILLIS = 1_000
/** From so long on, a consumer is told that the head is reached again, and that it is so in time, also where there is nothing new. */
const LONG_AWAY_MILLIS = 1_000

interface Asked {
  readonly cursor: Cursor
  readonly generation: number
  readonly fetchOffset: number
}

/** What was asked about one partition, and answered. */
interface Part {
  readonly one: Asked
  readonly found: FetchedPartition | undefined
  readonly scanned: Scan | undefined
}

interface Received {
  readonly connection: BrokerConnection
  readonly parts: ReadonlyArray<Part>
  readonly askedAt: number
  readonly now: number
  readonly isThrottled: boolean
}

/** The topic of all of these cursors, if they are of one. */
const topicOfAll = (cursors: ReadonlyArray<Cursor>): { readonly topic?: string } => {
  const names = new Set(cursors.map(({ topic }) => topic.name))
  const [topic] = names
  return names.size === 1 ? { topic } : {}
}

/** Finds what was answered about a cursor. */
const answersOf = ({ partitions }: FetchResponse): ((cursor: Cursor) => FetchedPartition | undefined) => {
  const topics = new Map<string, Map<number, FetchedPartition>>()
  for (const found of partitions) {
    const others = topics.get(found.topic.name)
    if (others === undefined) topics.set(found.topic.name, new Map([[found.partition, found]]))
    else others.set(found.partition, found)
  }
  return ({ partition, topic }) => topics.get(topic.name)?.get(partition)
}

/** Is there nothing in it that anything could come of? A broker that tells to wait says when to ask again. */
const hasNothing = ({ partitions, throttleMillis }: FetchResponse): boolean =>
  throttleMillis === 0 &&
  partitions.every(({ diverging, errorCode, records }) => {
    return errorCode === 0 && diverging === undefined && records.length === 0
  })

/** Ends, with `ended` in the same step, when the leader has left the cluster. */
export const runFetcher = (context: SourceContext, leader: number, ended: () => void): Effect.Effect<void> => {
  const { client, fetch, isolation } = context.options
  const ofThis = ofLeader(leader)
  let attempts = 0
  let rotation = 0
  let lost = false
  let isThrottled = false
  /** Answers in a row that had nothing, though the broker was to wait until there is something. */
  let hasty = 0

  const mine = (): ReadonlyArray<Cursor> => ledBy(context.led, leader)

  /** What there is to ask this leader for now, in the order that gives each partition its turn. */
  const ready = (now: number): ReadonlyArray<Asked> => {
    const asked: Array<Asked> = []
    for (const cursor of mine()) {
      if (cursor.phase !== "fetching" || !isDue(context, cursor, now)) continue
      asked.push({ cursor, generation: cursor.generation, fetchOffset: cursor.fetchOffset })
    }
    const first = rotation++ % Math.max(1, asked.length)
    return first === 0 ? asked : [...asked.slice(first), ...asked.slice(0, first)]
  }

  /** Waits until there is something to ask this leader for. Nothing, if it leads nothing any more. */
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

  /** What is not asked for now shall not wait for the end of a long poll once it can be. */
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

  /** One connection's life. Ends with its failure, or when a fresh one was asked for. */
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

  /** Waits as long as the broker says. What is long is told: the content ages meanwhile. */
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

  /** What has to be known before is asked for when the broker reads from the connection again. */
  const take = (
    connection: BrokerConnection,
    asked: ReadonlyArray<Asked>,
    askedAt: number,
    now: number,
    answer: FetchResponse
  ): Effect.Effect<void> => {
    const answerOf = answersOf(answer)
    const parts = asked.map((one): Part => {
      const found = answerOf(one.cursor)
      const isEmpty = found === undefined || found.records.length === 0
      return { one, found, scanned: isEmpty ? undefined : scan(found.records, one.fetchOffset) }
    })
    const { throttleMillis } = answer
    const received: Received = { connection, parts, askedAt, now, isThrottled: throttleMillis > 0 }
    const waiting = throttleMillis > 0 || isThrottled ? throttle(connection.address, throttleMillis) : undefined
    const preparing = prepare(received)
    if (preparing === undefined) {
      const taking = takeParts(received)
      return waiting === undefined ? taking : Effect.zipRight(taking, waiting)
    }
    const prepared = waiting === undefined ? preparing : Effect.zipRight(waiting, preparing)
    return Effect.flatMap(prepared, () => takeParts(received))
  }

  /** What has to be known of cursors that were not at the head for long. */
  const prepare = ({ askedAt, connection, parts }: Received): Effect.Effect<void> | undefined => {
    const arrivals = parts.flatMap(({ found, one: { cursor: p, fetchOffset }, scanned }): ReadonlyArray<Arrival> => {
      const { headAt, partition, topic } = p
      if (found === undefined || askedAt - headAt <= LONG_AWAY_MILLIS || p.phase !== "fetching") return []
      const isComplete = p.reachedHead || (scanned?.nextOffset ?? fetchOffset) >= p.end
      return [{ topic: topic.name, partition, isComplete, headAt }]
    })
    return arrivals.length === 0 ? undefined : context.options.prepare?.(arrivals, askedAt, connection)
  }

  /** A plain function of what was asked and answered; what has to wait is the Effect. */
  const takeParts = ({ askedAt, connection, isThrottled, now, parts }: Received): Effect.Effect<void> => {
    const partitions: Array<FetchedRecords> = []
    const rest: Array<Effect.Effect<void>> = []
    for (const { found, one, scanned } of parts) {
      const p = one.cursor
      // a jump in between, or a new leader that was faster: this answer is about another place
      if (p.leader !== leader || p.generation !== one.generation || p.fetchOffset !== one.fetchOffset) continue
      if (p.phase !== "fetching") continue
      if (found === undefined) {
        // no progress, not the end; a throttled answer says itself how long to wait
        if (!isThrottled) rest.push(delay(p, now))
        continue
      }
      if (found.errorCode !== 0) {
        rest.push(refused(connection, p, found.errorCode, now))
        continue
      }
      if (context.failures.size > 0) rest.push(context.granted(ofPartition(p.topic.name, p.partition)))
      p.attempts = 0
      p.connected = true
      p.lastFetchAt = now
      if (found.diverging !== undefined) {
        rest.push(truncated(context, p, "Tail", one.fetchOffset, found.diverging.endOffset))
        continue
      }
      const records = advance(p, found, scanned, askedAt, now)
      if (Effect.isEffect(records)) rest.push(records)
      else if (records !== undefined) partitions.push(records)
    }
    if (partitions.length > 0) {
      rest.push(context.events.offer({ _tag: "Fetched", askedAt, answeredAt: now, partitions }))
    }
    return rest.length === 1 ? rest[0] : Effect.all(rest, { discard: true })
  }

  const doubt = (p: Cursor, about: "range" | "end"): void => {
    p.doubt = about
    p.phase = "opening"
    p.retryAt = 0
    context.changed.notify()
  }

  /** Not to be asked at once again. */
  const delay = (p: Cursor, now: number): Effect.Effect<void> =>
    Effect.map(retryDelay(client, p.attempts++), (millis) => {
      p.retryAt = now + millis
    })

  /**
   * Moves the cursor past what was fetched, so that the next request can go out before this answer is decoded. What there
   * is to tell of it, or an Effect if nothing can be done with it.
   */
  const advance = (
    p: Cursor,
    found: FetchedPartition,
    scanned: Scan | undefined,
    askedAt: number,
    now: number
  ): FetchedRecords | Effect.Effect<void> | undefined => {
    const { records } = found
    const { generation, headAt } = p
    p.highWatermark = found.highWatermark
    p.lastStableOffset = found.lastStableOffset === -1 ? found.highWatermark : found.lastStableOffset
    const hasMovedStart = found.logStartOffset > p.logStart
    if (hasMovedStart) p.logStart = found.logStartOffset
    if (scanned !== undefined) {
      if (scanned.malformed) {
        // what is wrong with it is for the decoder to say; nothing behind it can be found
        p.phase = "held"
      } else if (scanned.completeBatches === 0) {
        return tooSmall(p, scanned.partialTail)
      } else {
        p.fetchOffset = scanned.nextOffset
        p.lastEpoch = scanned.lastEpoch
        p.maxBytes = fetch.maxPartitionBytes
      }
    }
    const isAtHead = noteHead(p, askedAt, now)
    const isAway = askedAt - headAt > LONG_AWAY_MILLIS
    const tells = isAtHead && (isAway || p.wasAway)
    if (isAtHead) p.wasAway = isAway
    if (scanned === undefined && !hasMovedStart && !tells) return undefined
    return {
      topic: p.topic.name,
      partition: p.partition,
      generation,
      records,
      aborted: found.abortedTransactions,
      logStart: p.logStart,
      isComplete: p.reachedHead || p.fetchOffset >= p.end,
      isAtHead,
      headAt
    }
  }

  /**
   * Is all fetched that there was? A broker that holds an answer back tells of no absence: it answers as soon as there is
   * something. But an answer that took longer than that may have been there for long (a process that was stopped).
   */
  const noteHead = (p: Cursor, askedAt: number, now: number): boolean => {
    if (p.fetchOffset < (isolation === "read_committed" ? p.lastStableOffset : p.highWatermark)) return false
    if (p.fetchOffset < p.end && p.phase === "fetching") {
      // all of it is read, and it had more: lost, or a new leader does not know yet how much of it is committed
      doubt(p, "end")
      return false
    }
    p.headAt = now - askedAt <= fetch.maxWaitMillis + LONG_AWAY_MILLIS ? now : askedAt
    p.reachedHead = true
    p.restarts = 0
    return true
  }

  /** Only the beginning of a batch came: asks for more, up to the cap. */
  const tooSmall = (p: Cursor, needed: number): Effect.Effect<void> | undefined => {
    const wanted = Math.max(needed, p.maxBytes * 2)
    if (p.maxBytes >= fetch.maxBatchBytes || needed > fetch.maxBatchBytes) {
      return context.fatal(
        p.topic.name,
        new CorruptBatchError({
          reason: "TooLarge",
          topic: p.topic.name,
          partition: p.partition,
          baseOffset: p.fetchOffset,
          detail: `a batch of ${needed} bytes, the limit is ${fetch.maxBatchBytes}`
        })
      )
    }
    p.maxBytes = Math.min(fetch.maxBatchBytes, wanted)
    return undefined
  }

  /** An error code for one partition; all others go on. */
  const refused = (connection: BrokerConnection, p: Cursor, code: number, now: number) =>
    Effect.gen(function* () {
      const { partition } = p
      const topic = p.topic.name
      const where = ofPartition(topic, partition)
      const error = brokerError({ code, request: "Fetch", broker: connection.address, topic, partition })
      p.connected = false
      if (code === OFFSET_OUT_OF_RANGE) return doubt(p, "range")
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
      // no failure of it stands
      context.failures.delete(ofThrottle(leader))
      return Effect.zipRight(
        context.granted(ofThis),
        hasLeft(context, leader) ? Effect.void : context.changed.after(seen)
      )
    }
    if (broker === undefined) {
      // named as a leader by somebody who does not know its address
      context.refresh()
      return context.changed.after(seen, client.backoff.maxMillis)
    }
    return Effect.catchAll(session(broker), (error) => failed(error, `${broker.host}:${broker.port}`))
  })

  return untilEnded(once, () => {
    if (!hasLeft(context, leader) || context.failures.get(ofThis) !== undefined) return false
    context.failures.delete(ofThrottle(leader))
    ended()
    return true
  })
}
