/** A member of a group under test: it works on records, and all that it does is noted. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Codec, KafkaClient, KafkaConsumer, type KafkaProtocol } from "../../../src/index.ts"
import { errorOf } from "../../support/exits.ts"
import { timed } from "../../support/ownTime.ts"
import { client, type Lab } from "../lab.ts"
import type { Note, PlaceOffset } from "./course.ts"

/** The value of a record. */
export const Item = Schema.Struct({ id: Schema.String })
export type Item = typeof Item.Type

export type Record = KafkaConsumer.Committable<string, Item>
export type Options = Omit<KafkaConsumer.ConsumerOptions<string, Item>, "value">

/** Works on a record. */
export type Work = (record: Record) => Effect.Effect<void>

export interface Member {
  readonly name: string
  readonly consumer: KafkaConsumer.KafkaConsumer<string, Item>
  /** Partitions that it owns now. */
  readonly owned: Effect.Effect<number>
  /** Closes it in good order: how the work has ended, and how many milliseconds that took. */
  readonly close: Effect.Effect<{ readonly exit: Exit.Exit<void, unknown>; readonly millis: number }>
}

/** How many records a member works on at the same time. */
const CONCURRENCY = 4

/** The heartbeats of both protocols. */
const BEATS: ReadonlySet<string> = new Set(["Heartbeat", "ConsumerGroupHeartbeat"])

const offsetsOf = (all: KafkaProtocol.OffsetCommitRequest["partitions"]): ReadonlyArray<PlaceOffset> =>
  all.map(({ offset, partition, topic }) => ({ topic: topic.name, partition, offset }))

const acceptedOf = (
  { partitions }: KafkaProtocol.OffsetCommitRequest,
  answer: KafkaProtocol.OffsetCommitResponse
): ReadonlyArray<PlaceOffset> => {
  const accepted = new Set(
    answer.partitions.flatMap(({ errorCode, partition, topic }) =>
      errorCode === 0 ? [`${topic.name}:${partition}`] : []
    )
  )
  return offsetsOf(partitions).filter(({ partition, topic }) => accepted.has(`${topic}:${partition}`))
}

/** The same client, whose commits and heartbeats are noted. */
const noting = (own: KafkaClient.KafkaClient, note: Note): KafkaClient.KafkaClient => ({
  ...own,
  coordinator: (key, type) =>
    Effect.map(own.coordinator(key, type), (coordinator): KafkaClient.Coordinator => ({
      ...coordinator,
      request: (name, request) =>
        Effect.suspend(() => {
          if (BEATS.has(name)) note({ _tag: "Beat" })
          if (name !== "OffsetCommit") return coordinator.request(name, request)
          const asked = request as KafkaProtocol.OffsetCommitRequest
          note({ _tag: "Committing", offsets: offsetsOf(asked.partitions) })
          return Effect.tap(coordinator.request(name, request), (answer) =>
            Effect.sync(() => {
              note({ _tag: "Committed", offsets: acceptedOf(asked, answer as KafkaProtocol.OffsetCommitResponse) })
            })
          )
        })
    }))
})

const noteEvent = (note: Note, event: KafkaConsumer.GroupEvent): void => {
  const ofLoss = event._tag === "Lost" ? { blockedMillis: event.blockedMillis, why: event.reason } : {}
  note({ _tag: "Told", event: event._tag, ...ofLoss })
  if (event._tag === "Assigned" || event._tag === "Revoked" || event._tag === "Lost") {
    note({ _tag: event._tag, partitions: event.partitions })
  }
}

let calls = 0

const noted = (work: Work, note: Note): Work => {
  return (record) =>
    Effect.suspend(() => {
      const call = calls++
      const { offset, partition, topic } = record
      note({ _tag: "Began", call, id: record.value.id, topic, partition, offset })
      return Effect.onExit(work(record), (exit) =>
        Effect.sync(() => note({ _tag: "Ended", call, isDone: Exit.isSuccess(exit) }))
      )
    })
}

/** A consumer of the lab, by the name of `name`, whose commits, heartbeats and events are noted. */
export const openConsumer = (lab: Pick<Lab, "brokers">, name: string, options: Options, note: Note) =>
  Effect.gen(function* () {
    const own = yield* client(lab, name)
    const consumer = yield* KafkaConsumer.make<Item>({ ...options, value: Codec.json(Item) }).pipe(
      Effect.provideService(KafkaClient.KafkaClient, noting(own, note))
    )
    return consumer
  })

/** A member that works until its scope closes, or `close` is called, which it takes in good order. */
export const open = (
  lab: Pick<Lab, "brokers">,
  name: string,
  options: Options,
  work: Work,
  note: Note
): Effect.Effect<Member, KafkaConsumer.AcquireError, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const scope = yield* Scope.fork(outer, outer.strategy)
    const consumer = yield* Scope.provide(openConsumer(lab, name, options, note), scope)
    yield* Effect.forkIn(
      Stream.runForEach(consumer.events, (event) => Effect.sync(() => noteEvent(note, event))),
      scope
    )
    // It is subscribed once it ran.
    yield* Effect.yieldNow
    // What was assigned while it was acquired was told to nobody.
    note({ _tag: "Assigned", partitions: yield* SubscriptionRef.get(consumer.assignment) })
    const working = yield* Effect.forkIn(
      Effect.onExit(consumer.runForEach(noted(work, note), { concurrency: CONCURRENCY }), (exit) =>
        Effect.sync(() => {
          const error = errorOf(exit)
          if (error !== undefined) note({ _tag: "Failed", error: error.message })
        })
      ),
      outer
    )
    const close = yield* Effect.cached(
      Effect.gen(function* () {
        const [millis] = yield* timed(Scope.close(scope, Exit.void))
        return { exit: yield* Fiber.await(working), millis }
      })
    )
    // This runs before the work is interrupted: what is added last is closed first.
    yield* Effect.addFinalizer(() => close)
    return { name, consumer, owned: Effect.map(SubscriptionRef.get(consumer.assignment), (all) => all.length), close }
  })
