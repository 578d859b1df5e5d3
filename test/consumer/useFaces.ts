/** How one user takes records, by all faces, and leaves these: each record is done at once, at some time, or never. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { KafkaClient, KafkaConsumer } from "../../src/index.ts"
import { placeOf } from "./groupModel.ts"
import type { Chance } from "./groupWorkers.ts"
import type { UseModel } from "./useModel.ts"
import { optionsOf } from "./useOptions.ts"
import { type Held, isStale, type Record } from "./useRecords.ts"

type Consumer = KafkaConsumer.KafkaConsumer<string, string>

/** One consumer and what its user does with it. */
export class Use {
  consumer: Consumer | undefined
  /** What is handed out, and not done. */
  readonly held = new Set<Held>()
  readonly scope: Scope.Closeable
  face: Fiber.Fiber<void> | undefined
  /** Whether the face that is running is to go on for as long as the consumer does. */
  isFaced = false
  isDraining = false
  isDrained = false
  /** Since when it is being closed, in milliseconds. */
  closingSince: number | undefined
  isClosed = false
  /** Whether all records are done at once. */
  isCalm = false
  failure: KafkaConsumer.ConsumerFailure | undefined

  constructor(
    readonly model: UseModel,
    readonly chance: Chance,
    readonly name: string,
    readonly isManual: boolean,
    scope: Scope.Closeable
  ) {
    this.scope = scope
  }

  get isEnding(): boolean {
    return this.isDraining || this.closingSince !== undefined
  }

  // -------------------------------------------------------------------------------------------------------------------
  // records
  // -------------------------------------------------------------------------------------------------------------------

  private took(record: Record, end?: (isDone: boolean) => void): Held | undefined {
    const held = this.model.took(record, end)
    if (held === undefined) return undefined
    if (this.isDrained) this.model.problem("a record is handed out after it was drained")
    this.held.add(held)
    return held
  }

  private get isDoneAtOnce(): boolean {
    return this.isCalm || this.chance.is(0.4)
  }

  done(held: Held): void {
    this.held.delete(held)
    this.model.done(held)
    if (held.end === undefined) held.record.done()
    else held.end(true)
  }

  private readonly take = (record: Record): Effect.Effect<void> =>
    Effect.suspend(() => {
      const held = this.took(record)
      if (held !== undefined && this.isDoneAtOnce) this.done(held)
      return this.isCalm || this.chance.is(0.7) ? Effect.void : Effect.sleep(this.chance.below(400))
    })

  private readonly work = (record: Record): Effect.Effect<void, "failed"> =>
    Effect.callback<void, "failed">((resume) => {
      const held = this.took(record, (isDone) => resume(isDone ? Effect.void : Effect.fail("failed")))
      if (held === undefined) return resume(Effect.void)
      if (this.isDoneAtOnce) this.done(held)
      return Effect.sync(() => void this.held.delete(held))
    })

  // -------------------------------------------------------------------------------------------------------------------
  // faces
  // -------------------------------------------------------------------------------------------------------------------

  /** How many records are taken before a stream is left. */
  private get count(): number {
    return !this.isCalm && this.chance.is(0.4) ? 1 + this.chance.below(8) : Number.POSITIVE_INFINITY
  }

  private readonly onPartition = (
    from: KafkaConsumer.PartitionStream<string, string>
  ): Effect.Effect<void, KafkaConsumer.ConsumerFailure> =>
    Effect.suspend(() => {
      const { count } = this
      let taken = 0
      let last: Record | undefined
      const noted = Stream.tap(from.records, (record) =>
        Effect.sync(() => {
          taken++
          last = record
        })
      )
      const some = Number.isFinite(count) ? Stream.take(noted, count) : noted
      return Effect.flatMap(Stream.runForEach(some, this.take), () => {
        if (taken < count) return Effect.void
        // It may be the rest of what it has taken of a partition that was lost, and is this member's again.
        if (last !== undefined && isStale(last)) return this.onPartition(from)
        this.left(placeOf(from))
        return Effect.andThen(this.handsOutAgain([placeOf(from)]), this.onPartition(from))
      })
    })

  /** A face hands out again what is not done, unless nothing is handed out any more. */
  private handsOutAgain(places?: Iterable<string>): Effect.Effect<void> {
    return Effect.map(SubscriptionRef.get(this.consumer!.health), ({ _tag }) => {
      if (_tag !== "Failed" && _tag !== "Stopping") this.model.handsOutAgain(places)
    })
  }

  /** Nobody waits for what a face has given that was left, of this place or of all. */
  private left(place?: string): void {
    for (const held of this.held) if (place === undefined || held.place === place) held.isLeft = true
  }

  private someFace(
    consumer: Consumer
  ): readonly [name: string, Effect.Effect<void, "failed" | KafkaConsumer.ConsumerFailure>] {
    const { count } = this
    this.isFaced = !Number.isFinite(count)
    const some = <A>(stream: Stream.Stream<A, KafkaConsumer.ConsumerFailure>) =>
      Number.isFinite(count) ? Stream.take(stream, count) : stream
    switch (this.chance.below(5)) {
      case 0:
        return ["records", Stream.runForEach(some(consumer.records), this.take)]
      case 1:
        return [
          "chunks",
          Stream.runForEach(some(consumer.chunks), (chunk) => Effect.forEach(chunk, this.take, { discard: true }))
        ]
      case 2:
        this.isFaced = true
        return [
          "partitions",
          Stream.runDrain(
            Stream.mapEffect(consumer.partitions, (one) => this.onPartition(one), { concurrency: "unbounded" })
          )
        ]
      default: {
        this.isFaced = true
        const concurrency = 1 + this.chance.below(3)
        const onInterrupt = this.chance.is(0.05) && !this.isCalm ? "finish" : "interrupt"
        const run = consumer.runForEach(this.work, { concurrency, by: placeOf, onInterrupt })
        if (onInterrupt === "interrupt") return ["runForEach", run]
        return [
          "runForEach, to be finished",
          Effect.onInterrupt(run, () => Effect.sync(() => (this.isDraining = true)))
        ]
      }
    }
  }

  /** Runs one face until it ends. */
  private readonly oneFace = Effect.suspend(() => {
    const { consumer, model } = this
    if (consumer === undefined) return Effect.void
    const [name, face] = this.someFace(consumer)
    model.note(`face: ${name}`)
    const run = Effect.andThen(this.handsOutAgain(), face)
    return Effect.match(run, {
      onFailure: (error) => {
        model.note(`face fails: ${String(error)}`)
        this.left()
        if (error === "failed") return
        this.failure = error
        if (!model.failsOnPoison || error._tag !== "KafkaPoisonRecordError") model.problem(`it fails: ${error._tag}`)
      },
      onSuccess: () => {
        model.note("face ends")
        if (!this.isFaced) this.left()
        if (this.isFaced && !this.isEnding) model.problem("a face has ended by itself")
      }
    })
  })

  readonly begin = Effect.suspend(() => {
    if (this.face !== undefined || this.consumer === undefined) return Effect.void
    return Effect.map(
      Effect.forkIn(
        Effect.ensuring(
          this.oneFace,
          Effect.sync(() => (this.face = undefined))
        ),
        this.scope
      ),
      (fiber) => {
        this.face = fiber
      }
    )
  })

  /** Leaves the face that runs, beside the test. */
  readonly leave = Effect.suspend(() => {
    const { face } = this
    if (face === undefined) return Effect.void
    this.model.note("the face is left")
    const left = Effect.andThen(
      Fiber.interrupt(face),
      Effect.sync(() => this.left())
    )
    this.left()
    return Effect.forkDetach(left)
  })

  // -------------------------------------------------------------------------------------------------------------------
  // the consumer
  // -------------------------------------------------------------------------------------------------------------------

  private readonly onEvent = (event: KafkaConsumer.GroupEvent): Effect.Effect<void> =>
    Effect.suspend(() => {
      const places = "partitions" in event ? event.partitions.map(placeOf) : []
      this.model.note([event._tag, ...places].join(" "))
      if (event._tag === "Assigned")
        return Effect.forEach(places, (place) => this.model.assigned(place), { discard: true })
      if (event._tag === "Revoked" || event._tag === "Lost") for (const place of places) this.model.revoked(place)
      return Effect.void
    })

  readonly acquire = (protocol: "classic" | "consumer"): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const { chance, model, scope } = this
      const client = yield* Scope.provide(model.kafka.client({ clientId: this.name, requestTimeout: 4_000 }), scope)
      const options = optionsOf(chance, { protocol, isManual: this.isManual, failsOnPoison: model.failsOnPoison })
      const { maxUncommitted, onPoison } = options
      model.note(
        `${this.name} begins, ${protocol}, ${JSON.stringify({ manual: this.isManual, onPoison, maxUncommitted })}`
      )
      const consumer = yield* KafkaConsumer.make(options).pipe(
        Effect.provideService(KafkaClient.KafkaClient, client),
        Scope.provide(scope)
      )
      yield* Effect.forkIn(Stream.runForEach(consumer.events, this.onEvent), scope)
      const owned = yield* consumer.lag
      for (const one of owned) yield* model.assigned(placeOf(one))
      this.consumer = consumer
    }).pipe(
      Effect.catch((error) => Effect.sync(() => this.model.problem(`it does not begin: ${String(error)}`))),
      Effect.forkIn(this.scope),
      Effect.asVoid
    )

  /** Closes it, beside the test. */
  readonly close = Effect.suspend(() => {
    this.closingSince = this.model.clock.evenMillis()
    this.model.note(`${this.name} closes`)
    const closed = Effect.map(Scope.close(this.scope, Exit.void), () => {
      this.model.note(`${this.name} is closed`)
      this.isClosed = true
      this.held.clear()
      for (const [place] of this.model.alive) this.model.revoked(place)
    })
    return Effect.forkDetach(closed)
  })
}
