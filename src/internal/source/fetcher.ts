/** The fetch loop of one leader: one connection, one long poll at a time, the next one under way while this one is applied. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Broker, BrokerConnection, FetchedPartition, FetchResponse } from "../../KafkaClient.ts"
import { CorruptBatchError, type ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { ledBy } from "../leaders.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { untilEnded } from "../untilEnded.ts"
import { scan, type Scan } from "../recordBatch/scan.ts"
import type { FetchedRecords, SourceEvent, SourcePartition, Stale } from "./partition.ts"
import { hasLeft, isDenial, isDue, isPassing, truncated, type SourceContext } from "./context.ts"
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
/** Tombstones last this long at least, whatever a topic says: they go with the second cleaning of a closed segment. */
const MIN_TOMBSTONES_MILLIS = 1_000

const recordsOf = (p: SourcePartition, found: FetchedPartition): FetchedRecords => ({
  partition: p.partition,
  generation: p.generation,
  records: found.records,
  aborted: found.abortedTransactions,
  logStart: p.logStart
})

interface Asked {
  readonly partition: SourcePartition
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

  const mine = (): ReadonlyArray<SourcePartition> => ledBy(context.led, leader)

  /** What there is to ask this leader for now, in the order that gives each partition its turn. */
  const ready = (now: number): ReadonlyArray<Asked> => {
    const asked: Array<Asked> = []
    for (const partition of mine()) {
      if (partition.phase !== "fetching" || !isDue(context, partition, now)) continue
      asked.push({ partition, generation: partition.generation, fetchOffset: partition.fetchOffset })
    }
    const first = rotation++ % Math.max(1, asked.length)
    return first === 0 ? asked : [...asked.slice(first), ...asked.slice(0, first)]
  }

  /** Waits until there is something to ask this leader for. Nothing, if it leads nothing any more. */
  const next = (clock: Clock.Clock): Effect.Effect<ReadonlyArray<Asked>> =>
    Effect.suspend(() => {
      const seen = context.changed.version
      const now = clock.unsafeCurrentTimeMillis()
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
    const included = new Set(asked.map((one) => one.partition))
    let millis = fetch.maxWaitMillis
    for (const p of mine()) {
      if (included.has(p)) continue
      millis = Math.min(millis, p.phase === "fetching" ? Math.max(1, p.retryAt - now) : client.backoff.initialMillis)
    }
    return millis
  }

  const request = (connection: BrokerConnection, asked: ReadonlyArray<Asked>, waitMillis: number) =>
    connection.fetch({
      topic: context.description!.topic,
      isolation,
      maxWaitMillis: waitMillis,
      minBytes: fetch.minBytes,
      maxBytes: fetch.maxBytes,
      partitions: asked.map(({ fetchOffset, partition: p }) => ({
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
          const askedAt = clock.unsafeCurrentTimeMillis()
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
          const now = clock.unsafeCurrentTimeMillis()
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
      const { topic } = context.options
      context.failures.set(
        ofThrottle(leader),
        brokerError({ code: THROTTLING_QUOTA_EXCEEDED, request: "Fetch", broker, topic, detail })
      )
      if (isFirst) yield* context.options.onThrottled({ broker, millis })
      yield* waitUntil(until)
    })

  /** Waits until that time, as long as this leader leads anything of the topic. */
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
   * What was missed by a partition that was away is told by the settings as they are after the answer. A broker that tells
   * to wait reads nothing from the connection meanwhile, so they are asked for when that time is over.
   */
  const take = (
    connection: BrokerConnection,
    asked: ReadonlyArray<Asked>,
    askedAt: number,
    now: number,
    answer: FetchResponse
  ): Effect.Effect<void> => {
    const answers = new Map(answer.partitions.map((p) => [p.partition, p]))
    const parts = asked.map((one): Part => {
      const found = answers.get(one.partition.partition)
      const isEmpty = found === undefined || found.records.length === 0
      return { one, found, scanned: isEmpty ? undefined : scan(found.records, one.fetchOffset) }
    })
    const received: Received = { connection, parts, askedAt, now, isThrottled: answer.throttleMillis > 0 }
    const wait =
      answer.throttleMillis > 0 || isThrottled ? throttle(connection.address, answer.throttleMillis) : undefined
    if (parts.some((part) => wasAway(part, askedAt))) {
      const asking =
        wait === undefined ? askForRetention(connection) : Effect.zipRight(wait, askForRetention(connection))
      return Effect.flatMap(asking, (isKnown) => takeParts(received, isKnown))
    }
    const taking = takeParts(received, true)
    return wait === undefined ? taking : Effect.zipRight(taking, wait)
  }

  /** Is everything fetched with this answer, after so long that tombstones may have gone meanwhile? */
  const wasAway = ({ one: { fetchOffset, partition: p }, scanned }: Part, askedAt: number): boolean =>
    p.phase === "fetching" &&
    !p.reopenedAsStale &&
    askedAt - p.headAt > MIN_TOMBSTONES_MILLIS &&
    (p.reachedHead || (scanned?.nextOffset ?? fetchOffset) >= p.end)

  /** Asks who has just answered. False if it does not say. A connection that fails shows by the next request. */
  const askForRetention = (connection: BrokerConnection): Effect.Effect<boolean> =>
    Effect.matchEffect(connection.describeConfigs(context.options.topic), {
      // who does not know this request never will
      onFailure: (error) => Effect.succeed(error.reason === "UnsupportedVersion"),
      onSuccess: (answer) => context.options.retention.learned(answer)
    })

  /** A plain function of what was asked and answered; what has to wait is the Effect. */
  const takeParts = (
    { askedAt, connection, isThrottled, now, parts }: Received,
    isRetentionKnown: boolean
  ): Effect.Effect<void> => {
    const fetched: Array<FetchedRecords> = []
    const atHead: Array<SourcePartition> = []
    const rest: Array<Effect.Effect<void>> = []
    for (const { found, one, scanned } of parts) {
      const p = one.partition
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
      if (context.failures.size > 0) rest.push(context.granted(ofPartition(p.partition)))
      p.attempts = 0
      p.connected = true
      p.lastFetchAt = now
      if (found.diverging !== undefined) {
        rest.push(truncated(context, p, "Tail", one.fetchOffset, found.diverging.endOffset))
        continue
      }
      const tooSmall = advance(p, one, found, scanned, fetched)
      if (tooSmall !== undefined) rest.push(tooSmall)
      const isComplete = p.reachedHead || p.fetchOffset >= p.end
      const stale = found.records.length > 0 && isComplete ? foundStale(p, askedAt, isRetentionKnown) : undefined
      if (stale !== undefined) {
        // Before the records, which are of an older generation now: applied without the tombstones that are gone, they
        // would show what was never there at one time.
        rest.push(offer(stale))
        continue
      }
      if (p.fetchOffset < (isolation === "read_committed" ? p.lastStableOffset : p.highWatermark)) continue
      // all of it is read, and it had more: lost, or a new leader does not know yet how much of it is committed
      if (p.fetchOffset < p.end && p.phase === "fetching") doubt(p, "end")
      else atHead.push(p)
    }
    if (fetched.length > 0) rest.push(offer({ _tag: "Fetched", partitions: fetched }))
    for (const p of atHead) {
      const stale = reachedHead(p, askedAt, now, isRetentionKnown)
      if (stale !== undefined) rest.push(offer(stale))
    }
    return rest.length === 1 ? rest[0] : Effect.all(rest, { discard: true })
  }

  const offer = (event: SourceEvent): Effect.Effect<void> => context.events.offer(event)

  const doubt = (p: SourcePartition, about: "range" | "end"): void => {
    p.doubt = about
    p.phase = "opening"
    p.retryAt = 0
    context.changed.notify()
  }

  /** Not to be asked at once again. */
  const delay = (p: SourcePartition, now: number): Effect.Effect<void> =>
    Effect.map(retryDelay(client, p.attempts++), (millis) => {
      p.retryAt = now + millis
    })

  /**
   * Was it away from the head for longer than the log keeps tombstones? A broker that holds an answer back is not away:
   * it answers as soon as there is something. But an answer that took longer than that may have been there for long
   * (a process that was stopped).
   */
  const reachedHead = (
    p: SourcePartition,
    askedAt: number,
    now: number,
    isRetentionKnown: boolean
  ): Stale | undefined => {
    const stale = foundStale(p, askedAt, isRetentionKnown)
    if (!isLate(p, askedAt, isRetentionKnown)) p.reopenedAsStale = false
    p.headAt = now - askedAt <= fetch.maxWaitMillis + MIN_TOMBSTONES_MILLIS ? now : askedAt
    p.reachedHead ||= stale === undefined
    if (stale === undefined) p.restarts = 0
    return stale
  }

  /** What is not known may be short. */
  const isLate = (p: SourcePartition, askedAt: number, isRetentionKnown: boolean): boolean => {
    const away = askedAt - p.headAt
    if (away <= MIN_TOMBSTONES_MILLIS) return false
    return !isRetentionKnown || away > context.options.retention.lowestRetentionSince(p.headAt)
  }

  /** Holds a partition that was away for too long. */
  const foundStale = (p: SourcePartition, askedAt: number, isRetentionKnown: boolean): Stale | undefined => {
    // a replay that takes longer than tombstones last cannot be helped by another one
    if (!isLate(p, askedAt, isRetentionKnown) || p.reopenedAsStale || p.phase !== "fetching") return undefined
    p.reopenedAsStale = true
    p.phase = "held"
    p.generation++
    return {
      _tag: "Stale",
      partition: p.partition,
      generation: p.generation,
      behindMillis: askedAt - p.headAt,
      retentionMillis: isRetentionKnown ? context.options.retention.lowestRetentionSince(p.headAt) : undefined
    }
  }

  /**
   * Moves the partition past what was fetched, so that the next request can go out before this answer is decoded. An
   * Effect if nothing can be done with it.
   */
  const advance = (
    p: SourcePartition,
    one: Asked,
    found: FetchedPartition,
    scanned: Scan | undefined,
    fetched: Array<FetchedRecords>
  ): Effect.Effect<void> | undefined => {
    p.highWatermark = found.highWatermark
    p.lastStableOffset = found.lastStableOffset === -1 ? found.highWatermark : found.lastStableOffset
    const hasMovedStart = found.logStartOffset > p.logStart
    if (hasMovedStart) p.logStart = found.logStartOffset
    if (scanned === undefined) {
      if (hasMovedStart) fetched.push(recordsOf(p, found))
      return undefined
    }
    if (scanned.malformed) {
      // what is wrong with it is for the decoder to say; nothing behind it can be found
      p.phase = "held"
    } else if (scanned.completeBatches === 0) {
      return tooSmall(p, one.fetchOffset, scanned.partialTail)
    } else {
      p.fetchOffset = scanned.nextOffset
      p.lastEpoch = scanned.lastEpoch
      p.maxBytes = fetch.maxPartitionBytes
    }
    fetched.push(recordsOf(p, found))
    return undefined
  }

  /** Only the beginning of a batch came: asks for more, up to the cap. */
  const tooSmall = (p: SourcePartition, offset: number, needed: number): Effect.Effect<void> | undefined => {
    const wanted = Math.max(needed, p.maxBytes * 2)
    if (p.maxBytes >= fetch.maxBatchBytes || needed > fetch.maxBatchBytes) {
      return context.fatal(
        new CorruptBatchError({
          reason: "TooLarge",
          topic: context.options.topic,
          partition: p.partition,
          baseOffset: offset,
          detail: `a batch of ${needed} bytes, the limit is ${fetch.maxBatchBytes}`
        })
      )
    }
    p.maxBytes = Math.min(fetch.maxBatchBytes, wanted)
    return undefined
  }

  /** An error code for one partition; all others go on. */
  const refused = (connection: BrokerConnection, p: SourcePartition, code: number, now: number) =>
    Effect.gen(function* () {
      const error = brokerError({
        code,
        request: "Fetch",
        broker: connection.address,
        topic: context.options.topic,
        partition: p.partition
      })
      p.connected = false
      if (code === OFFSET_OUT_OF_RANGE) return doubt(p, "range")
      context.failures.set(ofPartition(p.partition), error)
      if (isDenial(error)) {
        p.retryAt = now + context.options.deniedRetryMillis
        return yield* context.denied(ofPartition(p.partition), error)
      }
      if (code === CORRUPT_MESSAGE && p.attempts >= MAX_CORRUPT_ANSWERS) return yield* context.fatal(error)
      if (!isPassing(error)) return yield* context.fatal(error)
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
      if (error.reason === "UnsupportedVersion") return yield* context.fatal(error)
      context.refresh()
      yield* Effect.flatMap(retryDelay(client, attempts++), Effect.sleep)
    })

  const once = Effect.suspend(() => {
    const seen = context.changed.version
    const broker = context.description?.brokers.get(leader)
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
