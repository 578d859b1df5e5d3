import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { EmbeddedKafka, EventStream, KafkaClient, KafkaEvent, KafkaEvents } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { it } from "../support/ManualClock.ts"
import { turns } from "../support/turns.ts"

const Added = KafkaEvent.make("Added", Schema.Struct({ page: Schema.String }))

/** Publishes on an embedded cluster, within a scope of its own. */
const publishing = (options: KafkaEvents.KafkaEventsOptions = {}, cluster: EmbeddedKafka.EmbeddedKafkaOptions = {}) =>
  Effect.gen(function* () {
    const kafka = yield* EmbeddedKafka.make(cluster)
    const client = yield* kafka.client()
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const events = yield* Scope.provide(
      Effect.provideService(KafkaEvents.make(options), KafkaClient.KafkaClient, client),
      scope
    )
    return { kafka, events, close: Scope.close(scope, Exit.void) }
  })

describe("topics of streams", () => {
  it.effect("are made once, however many publish at the same time, with as many replicas as there are brokers", () =>
    Effect.gen(function* () {
      const { events, kafka } = yield* publishing({ partitions: 2 }, { nodes: 2 })
      let asked = 0
      yield* kafka.intercept("CreateTopics", ({ request }, answer) => {
        asked++
        assert.deepInclude(request, { partitions: 2, replicationFactor: 2 })
        return answer
      })
      const stream = EventStream.make("pages", Added)
      yield* Effect.forEach(["a", "b", "c"], (page) => events.publish(stream, { page }), { concurrency: "unbounded" })
      yield* events.publish(stream, { page: "d" })
      assert.strictEqual(asked, 1)
    })
  )

  it.effect("that could not be made are tried again by the next who publishes", () =>
    Effect.gen(function* () {
      const { events, kafka } = yield* publishing()
      let asked = 0
      yield* kafka.intercept("CreateTopics", (_, answer) =>
        ++asked > 1 ? answer : Effect.succeed({ errorCode: 44, errorMessage: "not so" })
      )
      const stream = EventStream.make("pages", Added)
      const error = yield* Effect.flip(events.publish(stream, { page: "a" }))
      assert.deepInclude(error, { _tag: "KafkaTopicError", reason: "Rejected" })
      assert.strictEqual((yield* events.publish(stream, { page: "a" })).offset, 0)
    })
  )

  it.effect("are not waited for once the publisher is closed", () =>
    Effect.gen(function* () {
      const { close, events, kafka } = yield* publishing()
      const asked = yield* Deferred.make<void>()
      yield* kafka.intercept("CreateTopics", () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never))
      const waiting = yield* Effect.forkChild(
        Effect.flip(events.publish(EventStream.make("pages", Added), { page: "a" }))
      )
      yield* Deferred.await(asked)
      yield* close
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "KafkaWriteError", reason: "Closed", topic: "pages" })
      const later = yield* Effect.flip(events.publish(EventStream.make("others", Added), { page: "a" }))
      assert.deepInclude(later, { _tag: "KafkaWriteError", reason: "Closed" })
    })
  )

  it.effect("are made for others, though who asked first is interrupted", () =>
    Effect.gen(function* () {
      const { events, kafka } = yield* publishing()
      const [asked, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      yield* kafka.intercept("CreateTopics", (_, answer) =>
        Deferred.succeed(asked, undefined).pipe(Effect.andThen(Deferred.await(go)), Effect.andThen(answer))
      )
      const stream = EventStream.make("pages", Added)
      const first = yield* Effect.forkChild(events.publish(stream, { page: "a" }))
      yield* Deferred.await(asked)
      const second = yield* Effect.forkChild(events.publish(stream, { page: "b" }))
      yield* turns(10)
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(go, undefined)
      assert.strictEqual((yield* Fiber.join(second)).offset, 0)
    })
  )

  it.effect("are not made where that is said", () =>
    Effect.gen(function* () {
      const { events, kafka } = yield* publishing({ ensureTopics: false })
      let asked = 0
      yield* kafka.intercept("CreateTopics", (_, answer) => {
        asked++
        return answer
      })
      const error = yield* asTimeGoesOn(Effect.flip(events.publish(EventStream.make("pages", Added), { page: "a" })))
      assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "TopicNotFound" })
      assert.strictEqual(asked, 0)
    })
  )
})

describe("what cannot be right", () => {
  const refused = <A, E>(self: Effect.Effect<A, E>) =>
    Effect.map(Effect.flip(self), (error) => (error as { readonly message: string }).message)

  it.effect("is told of streams where they are published to, and at the start", () =>
    Effect.gen(function* () {
      const { events, kafka } = yield* publishing({ topicPrefix: "shop." })
      const publish = (stream: EventStream.EventStream.Any) => refused(events.publish(stream, { page: "a" }))
      assert.match(yield* publish(EventStream.make("no topic", Added)), /EventStream.*name/)
      assert.match(yield* publish(EventStream.make("a", Added, { partitions: 0 })), /partitions/)
      assert.match(yield* publish(EventStream.make("b", Added, { retention: "-1 second" as never })), /retention/)
      const twice = { retention: "1 hour", configs: { "retention.ms": "1" } } as const
      assert.match(yield* publish(EventStream.make("c", Added, twice)), /retention/)
      assert.match(yield* publish(EventStream.make("d", KafkaEvent.make("a:b", Schema.String))), /':'/)
      assert.match(yield* publish({ name: "e" } as never), /EventStream\.make/)
      const client = yield* kafka.client()
      const start = (options: object) =>
        refused(Effect.scoped(Effect.provideService(KafkaEvents.make(options), KafkaClient.KafkaClient, client)))
      assert.match(yield* start({ topicPrefix: "no prefix" }), /topicPrefix/)
      assert.match(yield* start({ streams: "a" }), /streams/)
      assert.match(yield* start({ partition: 3 }), /partition/)
      assert.match(yield* start({ producer: { acks: "none" } }), /acks/)
      assert.match(yield* start({ streams: [EventStream.make("a", Added, { partitions: 0 })] }), /partitions/)
    })
  )

  it.effect("is told of subscriptions before anything is asked", () =>
    Effect.gen(function* () {
      const { events } = yield* publishing()
      const subscribe = (source: unknown, options: object = { group: "g" }) =>
        refused(
          Effect.scoped(
            Effect.provideService(
              KafkaEvents.subscribe(source as never, options as never),
              KafkaEvents.KafkaEvents,
              events
            )
          )
        )
      assert.match(yield* subscribe("pages"), /source/)
      assert.match(yield* subscribe([]), /event/)
      assert.match(yield* subscribe(undefined), /source/)
      assert.match(yield* subscribe({ topics: "a", events: [] }), /event/)
      assert.match(yield* subscribe({ topics: 5, events: [Added] }), /subscribe/)
      assert.match(yield* subscribe({ topics: "a b", events: [Added] }), /subscribe/)
      assert.match(yield* subscribe(EventStream.make("a", Added), {}), /group/)
      const again = KafkaEvent.make("Added", Schema.String)
      assert.match(yield* subscribe([EventStream.make("a", Added), EventStream.make("b", again)]), /Added:1/)
    })
  )
})

describe("a key that is neither text nor bytes", () => {
  it.effect("is refused with what it may be, by each way to publish", () =>
    Effect.gen(function* () {
      const { events } = yield* publishing()
      const stream = EventStream.make("pages", Added)
      const options = { key: 3 as never }
      for (const publishing of [
        events.publish(stream, { page: "a" }, options),
        events.enqueue(stream, { page: "a" }, options),
        events.publishMany(stream, [{ page: "a" }], options)
      ] as ReadonlyArray<Effect.Effect<unknown, KafkaEvents.PublishError>>) {
        const error = yield* Effect.flip(publishing)
        assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "Encode" })
        assert.include(error.message, "(key: Expected a string, a Uint8Array or null, actual a number)")
      }
    })
  )
})
