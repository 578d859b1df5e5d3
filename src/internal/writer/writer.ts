/** A writer in front of its core: acquiring, encoding, waiting for acknowledgements, closing. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { isUint8Array } from "node:util/types"
import { suspended } from "../codec/codec.ts"
import type { Suspended } from "../../Codec.ts"
import type { KafkaClient } from "../../KafkaClient.ts"
import { ConnectionError, type ClientError, type TopicError, type WriteError } from "../../KafkaError.ts"
import type { AcquireError, KafkaTableWriter, KafkaTableWriterOptions, WriteOptions } from "../../KafkaTableWriter.ts"
import type { Position } from "../../Position.ts"
import { explain, inOneLine, parseError, parseErrorOf, parseErrorOfCause } from "../codec/issue.ts"
import { makeWriterMetrics } from "../metrics.ts"
import { retryDelay } from "../client/backoff.ts"
import * as Client from "../client/client.ts"
import { tellOfWaiting } from "../log.ts"
import { topicOf } from "../options.ts"
import { ensureTopic } from "../topic.ts"
import { SLICE_MILLIS, yieldToEventLoop } from "../yield.ts"
import { Core } from "./core.ts"
import { askIdentity, forkFibers, MISSING_GRACE_MILLIS } from "./fibers.ts"
import { interruptionAsFailure } from "./interruption.ts"
import { isFailure, PendingRecord, type Headers, type Outcome } from "./record.ts"
import { readOptions, type WriterConfig } from "./settings.ts"
import { Turns } from "./turns.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaTableWriter")

// ---------------------------------------------------------------------------------------------------------------------
// life
// ---------------------------------------------------------------------------------------------------------------------

export const make = <K = string, V = never>(
  options: KafkaTableWriterOptions<K, V>
): Effect.Effect<KafkaTableWriter<K, V>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Client.tag
    const config = yield* readOptions(options)
    const core = new Core(config, client, yield* Effect.clock)
    const report = makeWriterMetrics(config.topic, yield* Effect.metricLabels)
    const publish = () => report(core.counts, core.pending, core.takeLatencies())
    yield* start(core, config)
    const fibers = yield* Effect.acquireRelease(Scope.make(), (scope) =>
      close(core, config.closeTimeoutMillis).pipe(
        Effect.ensuring(Scope.close(scope, Exit.void)),
        Effect.ensuring(Effect.sync(publish))
      )
    )
    yield* Scope.extend(forkFibers(core, publish), fibers)
    return face(core, config)
  }).pipe(Effect.withSpan("KafkaTableWriter.make", { attributes: topicOf(options) }))

/** The topic, its partitions and a producer id: all that can be known to be missing before the first write. */
const start = <K, V>(core: Core, config: WriterConfig<K, V>): Effect.Effect<void, ClientError | TopicError> => {
  const { client } = core
  const millis = config.deliveryTimeoutMillis
  let last: ClientError | TopicError | undefined
  let missingSince: number | undefined
  const tell = tellOfWaiting("KafkaTableWriter", config.topic, millis)

  const isWorthATry = (error: ClientError | TopicError): boolean => {
    if (error._tag !== "KafkaTopicError" || error.reason !== "NotFound") return error.retriable
    missingSince ??= core.now()
    return core.now() - missingSince < MISSING_GRACE_MILLIS
  }

  const retrying = <A>(
    self: Effect.Effect<A, ClientError | TopicError>,
    n = 0
  ): Effect.Effect<A, ClientError | TopicError> =>
    Effect.catchAll(interruptionAsFailure(self, { broker: client.bootstrap, request: "start" }), (error) => {
      last = error
      if (!isWorthATry(error)) return Effect.fail(error)
      return tell(error).pipe(
        Effect.andThen(Effect.flatMap(retryDelay(client, n), Effect.sleep)),
        Effect.andThen(Effect.suspend(() => retrying(self, n + 1)))
      )
    })

  return Effect.gen(function* () {
    if (config.ensure !== undefined) yield* retrying(ensureTopic(client, config.ensure))
    const description = yield* retrying(client.describeTopic(config.topic))
    if (config.idempotent) core.identify(yield* retrying(askIdentity(core)))
    core.describe(description)
  }).pipe(
    Effect.timeoutFail({
      duration: millis,
      onTimeout: () =>
        last ??
        new ConnectionError({
          reason: "Timeout",
          broker: client.bootstrap,
          request: "Metadata",
          detail: `no answer within ${millis} ms`
        })
    })
  )
}

/** Takes no more, and waits for what was accepted; the core settles what is left when the time is over. */
const close = (core: Core, timeoutMillis: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    core.close(timeoutMillis)
    return untilSettled(core)
  })

/** Waits for everything that is on its way at this moment. */
const untilSettled = (core: Core): Effect.Effect<void> =>
  Effect.async((resume) => {
    let left = 1
    const done = () => {
      if (--left === 0) resume(Effect.void)
    }
    for (const record of core.unsettled()) {
      left++
      record.whenSettled(done)
    }
    done()
  })

// ---------------------------------------------------------------------------------------------------------------------
// what users get
// ---------------------------------------------------------------------------------------------------------------------

/** A tombstone, in place of a value. */
const TOMBSTONE: unique symbol = Symbol.for("effect-ktables/KafkaTableWriter/Tombstone")

/** A write before it is bytes. */
interface Write<K, V> {
  readonly key: K
  readonly value: V | typeof TOMBSTONE
  readonly options: WriteOptions | undefined
}

type Encoded = ConstructorParameters<typeof PendingRecord>[0]

const NO_HEADERS: Headers = []

const face = <K, V>(core: Core, config: WriterConfig<K, V>): KafkaTableWriter<K, V> => {
  const turns = new Turns()

  const encodeError = (what: "key" | "value" | "options", thrown: unknown): WriteError => {
    // what a codec says may quote the value; what is wrong with the options is told by this library
    const cause = what === "options" ? thrown : parseErrorOf(thrown)
    const words = config.logValues && what !== "options" ? explain(cause) : inOneLine(cause)
    return core.error("Encode", { detail: `${what}: ${words}`, cause })
  }

  const assemble = (key: Uint8Array, value: Uint8Array | null, options: WriteOptions | undefined): Encoded => ({
    key,
    value,
    headers: options?.headers === undefined ? NO_HEADERS : headersOf(options.headers),
    timestamp: options?.timestamp === undefined ? core.timestamp() : timestampOf(options.timestamp),
    partition: options?.partition
  })

  /** A plain function, as most codecs are: what they throw is returned. */
  const encodeNow = (write: Write<K, V>): Encoded | Suspended | WriteError => {
    let what: "key" | "value" | "options" = "key"
    try {
      const key = checked(config.key.encodeSync(write.key))
      what = "value"
      const value = write.value === TOMBSTONE ? null : checked(config.value.encodeSync(write.value))
      what = "options"
      return key === suspended || value === suspended ? suspended : assemble(key, value, write.options)
    } catch (cause) {
      return encodeError(what, cause)
    }
  }

  /**
   * By Effects, however they end: they may fail, die, be interrupted by themselves, or not end at all, whether they can be
   * interrupted or not.
   */
  const encode = (write: Write<K, V>): Effect.Effect<Encoded, WriteError> =>
    Effect.suspend(() => {
      let what: "key" | "value" | "options" = "key"
      const key = Effect.suspend(() => config.key.encode(write.key))
      const value = Effect.suspend(() => {
        what = "value"
        return write.value === TOMBSTONE ? Effect.succeed(null) : config.value.encode(write.value)
      })
      const encoding = Effect.flatMap(key, (key) =>
        Effect.flatMap(
          Effect.zip(
            Effect.sync(() => checked(key)),
            value
          ),
          ([key, value]) => {
            const bytes = value === null ? null : checked(value)
            what = "options"
            return Effect.sync(() => assemble(key, bytes, write.options))
          }
        )
      )
      return Effect.disconnect(encoding).pipe(
        Effect.timeoutOption(config.deliveryTimeoutMillis),
        Effect.catchAllCause((cause) =>
          Effect.fail(encodeError(what, what === "options" ? Cause.squash(cause) : parseErrorOfCause(cause)))
        ),
        Effect.flatMap(
          Option.match({
            onNone: () =>
              Effect.fail(
                core.error("Timeout", { detail: `${what}: not encoded within ${config.deliveryTimeoutMillis} ms` })
              ),
            onSome: Effect.succeed
          })
        )
      )
    })

  /** Is it within the writer's own limit? */
  const tooLarge = (record: PendingRecord): WriteError | undefined =>
    record.aloneSize <= config.maxRecordBytes
      ? undefined
      : core.error("TooLarge", { detail: `${record.aloneSize} bytes, maxRecordBytes is ${config.maxRecordBytes}` })

  /** By Effects, all at the same time; each has its place in the queue after those that were called before. */
  const submitLater = (write: Write<K, V>): Effect.Effect<Position, WriteError> => {
    const answer = Deferred.unsafeMake<Position, WriteError>(FiberId.none)
    const enqueue = (encoded: Encoded) =>
      Effect.suspend(() => {
        const record = new PendingRecord(encoded, (outcome) =>
          Deferred.unsafeDone(answer, isFailure(outcome) ? Effect.fail(outcome) : Effect.succeed(outcome))
        )
        const refused = tooLarge(record)
        if (refused !== undefined) return Effect.fail(core.refused(refused))
        core.offer(record)
        return Effect.succeed(record)
      })
    const encoding = Effect.tapError(encode(write), (error) => Effect.sync(() => core.refused(error)))
    return Effect.flatMap(turns.run(encoding, enqueue), (record) =>
      Effect.onInterrupt(Deferred.await(answer), () => Effect.sync(() => core.withdraw(record)))
    )
  }

  /**
   * Ends at the acknowledgement. Nothing comes between the call, the encoding of a record and its place in the queue; and
   * nothing has to be undone when the caller is interrupted later on, which an Effect would pay for each time.
   */
  const one = (write: Write<K, V>): Effect.Effect<Position, WriteError> =>
    Effect.async((resume) => {
      if (!turns.isFree) return resume(submitLater(write))
      const encoded = encodeNow(write)
      if (encoded === suspended) return resume(submitLater(write))
      if (isError(encoded)) return resume(Effect.fail(core.refused(encoded)))
      const record = new PendingRecord(encoded, (outcome) =>
        resume(isFailure(outcome) ? Effect.fail(outcome) : Effect.succeed(outcome))
      )
      const refused = tooLarge(record)
      if (refused !== undefined) return resume(Effect.fail(core.refused(refused)))
      return core.offer(record) ? Effect.sync(() => core.withdraw(record)) : undefined
    })

  // -------------------------------------------------------------------------------------------------------------------
  // many
  // -------------------------------------------------------------------------------------------------------------------

  /** Encodes all, in slices; fails with the first that cannot be. */
  const encodeAll = (
    writes: Iterator<Write<K, V>>,
    into: Array<Encoded>
  ): Effect.Effect<ReadonlyArray<Encoded>, WriteError> =>
    Effect.suspend(() => {
      const until = performance.now() + SLICE_MILLIS
      for (let next = writes.next(); next.done !== true; next = writes.next()) {
        const encoded = encodeNow(next.value)
        if (encoded === suspended) {
          return Effect.flatMap(encode(next.value), (late) => {
            into.push(late)
            return encodeAll(writes, into)
          })
        }
        if (isError(encoded)) return Effect.fail(encoded)
        into.push(encoded)
        if (into.length % 64 === 0 && performance.now() > until) {
          return Effect.andThen(yieldToEventLoop, encodeAll(writes, into))
        }
      }
      return Effect.succeed(into)
    })

  const many = (writes: Iterable<Write<K, V>>): Effect.Effect<ReadonlyArray<Position>, WriteError> =>
    Effect.suspend(() => {
      const batch = new Many()
      const enqueue = (all: ReadonlyArray<Encoded>): Effect.Effect<void, WriteError> => {
        batch.add(all)
        const refused = batch.firstOf(tooLarge)
        if (refused !== undefined) return Effect.fail(core.refused(refused))
        return Effect.sync(() => {
          for (const record of batch.records) core.offer(record)
        })
      }
      const iterator = writes[Symbol.iterator]()
      const enqueued = turns.run(encodeAll(iterator, []), enqueue)
      return Effect.andThen(
        enqueued,
        Effect.onInterrupt(batch.answer, () =>
          Effect.sync(() => {
            for (const record of batch.records) core.withdraw(record)
          })
        )
      )
    })

  const withSpan = <A, E>(name: string, self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.withSpan(self, `KafkaTableWriter.${name}`, {
      kind: "producer",
      captureStackTrace: false,
      attributes: { "messaging.system": "kafka", "messaging.destination.name": config.topic }
    })

  return {
    [TypeId]: TypeId,
    topic: config.topic,
    set: (key, value, options) => one({ key, value, options }),
    delete: (key, options) => one({ key, value: TOMBSTONE, options }),
    setMany: (entries) =>
      withSpan("setMany", many(mapIterable(entries, ([key, value]) => ({ key, value, options: undefined })))),
    deleteMany: (keys) =>
      withSpan("deleteMany", many(mapIterable(keys, (key) => ({ key, value: TOMBSTONE, options: undefined })))),
    // whose turn it is not yet, was called before
    flush: Effect.suspend(() =>
      Effect.andThen(turns.isFree ? Effect.void : turns.run(Effect.void, () => Effect.void), untilSettled(core))
    ),
    stats: Effect.sync(() => Object.freeze({ ...core.counts, queued: core.pending }))
  }
}

/** The records of one call. */
class Many {
  records: ReadonlyArray<PendingRecord> = []
  private positions: Array<Position> = []
  private failure: { readonly index: number; readonly error: WriteError } | undefined
  private left = 0
  private resume: (() => void) | undefined

  add(all: ReadonlyArray<Encoded>): void {
    this.left = all.length
    this.positions = new Array<Position>(all.length)
    this.records = all.map((encoded, index) => new PendingRecord(encoded, (outcome) => this.settled(index, outcome)))
  }

  firstOf(f: (record: PendingRecord) => WriteError | undefined): WriteError | undefined {
    for (const record of this.records) {
      const found = f(record)
      if (found !== undefined) return found
    }
    return undefined
  }

  private settled(index: number, outcome: Outcome): void {
    if (!isFailure(outcome)) this.positions[index] = outcome
    else if (this.failure === undefined || index < this.failure.index) this.failure = { index, error: outcome }
    if (--this.left === 0) this.resume?.()
  }

  /** When all have ended: their positions, or the error of the first that failed. */
  readonly answer: Effect.Effect<ReadonlyArray<Position>, WriteError> = Effect.async((resume) => {
    this.resume = () =>
      resume(this.failure === undefined ? Effect.succeed(this.positions) : Effect.fail(this.failure.error))
    if (this.left === 0) this.resume()
  })
}

/** Throws if a codec made something else than bytes: without types, it may return anything. */
const checked = <A extends Uint8Array | Suspended>(encoded: A): A => {
  if (encoded !== suspended && !isUint8Array(encoded)) throw parseError("the codec must make bytes, a Uint8Array")
  return encoded
}

const isError = (encoded: Encoded | WriteError): encoded is WriteError => "_tag" in encoded

const mapIterable = <A, B>(self: Iterable<A>, f: (a: A) => B): Iterable<B> => ({
  *[Symbol.iterator]() {
    for (const a of self) yield f(a)
  }
})

/** Throws what is wrong with them. */
const headersOf = (headers: NonNullable<WriteOptions["headers"]>): Headers => {
  const list: Array<readonly [string, Uint8Array | null]> = []
  const add = (key: string, value: Uint8Array | string | null) => {
    if (typeof key !== "string" || !(value === null || typeof value === "string" || value instanceof Uint8Array)) {
      throw new TypeError("headers: a key must be a string, and a value a string, bytes or null")
    }
    // a copy: the caller's bytes stay the caller's
    list.push([key, value === null ? null : Buffer.from(value)])
  }
  if (Symbol.iterator in headers) for (const { key, value } of headers) add(key, value)
  else for (const [key, value] of Object.entries(headers)) add(key, value)
  return list
}

/** Throws what is wrong with it. */
const timestampOf = (timestamp: number): number => {
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new RangeError("timestamp: must be a whole number of milliseconds since the epoch")
  }
  return timestamp
}
