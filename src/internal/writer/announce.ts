/** Leases: keys that a writer writes again and again for as long as a scope is open, and deletes at its end. */
import { disconnected } from "../effect/v4/fibers.ts"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Cause from "effect/Cause"
import type { Codec } from "../../Codec.ts"
import type { InvalidOptionsError, WriteError } from "../../KafkaError.ts"
import type { AnnounceOptions, KafkaTableWriter } from "../../KafkaTableWriter.ts"
import type { Position } from "../../Position.ts"
import { viewOf } from "../bytes.ts"
import { suspended } from "../codec/codec.ts"
import { kindOfThrown } from "../codec/schema/faults.ts"
import { annotateLogs } from "../log.ts"
import { readAnnounceOptions } from "../options/announce.ts"
import type { Producer } from "../producer/producer.ts"

/** One key that was announced, and has not been given up. */
interface Lease<K> {
  readonly key: K
  /** What the key has in common with others that are the same; a key that only an Effect encodes is like no other. */
  readonly id: unknown
  /** Writes its heartbeats; none where the first write may have come through, and nobody knows. */
  heart: Fiber.Fiber<unknown, unknown> | undefined
}

/** All that a writer has announced. */
export class Leases<K, V> {
  private readonly open = new Set<Lease<K>>()
  /** How many of them there are of each key. */
  private readonly counts = new Map<unknown, number>()
  private readonly producer: Producer
  private readonly codec: Codec<K>
  private readonly writer: Pick<KafkaTableWriter<K, V>, "topic" | "set" | "delete">

  constructor(producer: Producer, codec: Codec<K>, writer: Pick<KafkaTableWriter<K, V>, "topic" | "set" | "delete">) {
    this.producer = producer
    this.codec = codec
    this.writer = writer
  }

  announce(
    key: K,
    value: V | Effect.Effect<V>,
    options?: AnnounceOptions
  ): Effect.Effect<Position, WriteError | InvalidOptionsError, Scope.Scope> {
    return Effect.flatMap(readAnnounceOptions(this.writer.topic, options), ({ everyMillis }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen({ self: this }, function* () {
          const given = Effect.isEffect(value) ? yield* restore(value) : value
          const begin = this.producer.clock.now()
          const lease: Lease<K> = { key, id: idOf(this.codec, key), heart: undefined }
          // The writer may be closed before this write has ended.
          this.add(lease)
          const first = yield* Effect.exit(restore(this.writer.set(key, given)))
          if (isCertainlyNotThere(first)) {
            this.remove(lease)
            return yield* first
          }
          // From here on the key is in the log, or may be: whatever ends the scope, it is deleted then.
          yield* Effect.addFinalizer(() => this.end(lease, this.producer.settings.closeTimeoutMillis))
          if (Exit.isSuccess(first) && this.open.has(lease)) {
            lease.heart = yield* Effect.forkScoped(this.beat(key, value, everyMillis, begin))
          }
          return yield* first
        })
      )
    )
  }

  private add(lease: Lease<K>): void {
    this.open.add(lease)
    this.counts.set(lease.id, (this.counts.get(lease.id) ?? 0) + 1)
  }

  /** Takes a lease out, if it is there. Returns how many others of its key there are. */
  private remove(lease: Lease<K>): number {
    const left = (this.counts.get(lease.id) ?? 0) - (this.open.delete(lease) ? 1 : 0)
    if (left > 0) this.counts.set(lease.id, left)
    else this.counts.delete(lease.id)
    return left
  }

  /** Ends all leases, as the writer is about to be closed. */
  endAll(withinMillis: number): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.forEach([...this.open], (lease) => this.end(lease, withinMillis), {
        concurrency: "unbounded",
        discard: true
      })
    )
  }

  /**
   * Ends a lease, once: its heartbeats first, so that the tombstone is called after the last of them, and comes after it
   * in the log. Of several of one key, the last one to end deletes it.
   */
  private end(lease: Lease<K>, withinMillis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.open.has(lease)) return Effect.void
      const stopped = lease.heart === undefined ? Effect.void : Fiber.interrupt(lease.heart)
      if (this.remove(lease) > 0) return Effect.asVoid(stopped)
      // The wait for room in the queue has no end of its own.
      const deleted = Effect.timeoutOrElse(this.writer.delete(lease.key), {
        duration: withinMillis,
        orElse: () => Effect.fail({ message: `it was not acknowledged within ${withinMillis} ms` })
      })
      return Effect.andThen(stopped, deleted).pipe(
        Effect.asVoid,
        Effect.catch(({ message }) =>
          Effect.logWarning(`an announced key may stay, as its tombstone was not written: ${message}`).pipe(
            this.annotate
          )
        )
      )
    })
  }

  /** Writes heartbeats, one after the other. One that fails is followed by the next, and told if the one before it did not. */
  private beat(key: K, value: V | Effect.Effect<V>, everyMillis: number, begin: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const fresh = Effect.isEffect(value) ? inTime(value, everyMillis) : Effect.succeed(value)
      const write = Effect.match(
        Effect.flatMap(fresh, (value) => this.writer.set(key, value)),
        { onSuccess: () => undefined, onFailure: (error: WriteError | Hindrance) => error }
      )
      let missed = 0
      let last = begin
      while (true) {
        // One that took longer than that is followed by the next at once: what it wrote is as old as its call.
        yield* Effect.sleep(Math.max(0, last + everyMillis - this.producer.clock.now()))
        last = this.producer.clock.now()
        const error = yield* write
        if (error === undefined) {
          if (missed > 0) yield* this.annotate(Effect.logInfo(`heartbeats are written again, after ${missed} in vain`))
          missed = 0
          continue
        }
        // A writer that is closed stays so; that the key was not deleted is told then.
        if (isClosed(error)) return
        if (missed++ > 0) continue
        yield* this.annotate(
          Effect.logWarning(`a heartbeat was not written, the next is tried after ${everyMillis} ms: ${error.message}`)
        )
      }
    })
  }

  private readonly annotate = (line: Effect.Effect<void>): Effect.Effect<void> =>
    annotateLogs("KafkaTableWriter", { topic: this.writer.topic })(line)
}

/** What equal keys have in common: their bytes. */
const idOf = <K>(codec: Codec<K>, key: K): unknown => {
  try {
    const bytes = codec.encodeSync(key)
    return bytes === suspended ? Symbol() : viewOf(bytes).toString("latin1")
  } catch {
    // It is refused when it is written.
    return Symbol()
  }
}

/** What kept a heartbeat from being written, besides the errors of writes. */
interface Hindrance {
  readonly message: string
}

/** The value of a heartbeat. An Effect that does not end holds up nothing but this one. */
const inTime = <V>(value: Effect.Effect<V>, millis: number): Effect.Effect<V, Hindrance> =>
  Effect.flatMap(Effect.timeoutOption(disconnected(Effect.exit(value)), millis), (ended) => {
    if (Option.isNone(ended)) {
      return Effect.fail({ message: `the Effect of its value did not end within ${millis} ms` })
    }
    if (Exit.isSuccess(ended.value)) return Effect.succeed(ended.value.value)
    const kind = kindOfThrown(Cause.squash(ended.value.cause))
    return Effect.fail({ message: `the Effect of its value ended with ${kind}` })
  })

const isClosed = (error: WriteError | Hindrance): boolean => "reason" in error && error.reason === "Closed"

/** Whether a write has certainly left nothing in the log; one that was interrupted may have had its place already. */
const isCertainlyNotThere = (write: Exit.Exit<Position, WriteError>): boolean => {
  if (Exit.isSuccess(write)) return false
  const error = Cause.findErrorOption(write.cause)
  return Option.isSome(error) && error.value.reason !== "UnknownOutcome"
}
