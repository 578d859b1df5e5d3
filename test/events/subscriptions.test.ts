/** Subscriptions that are declared apart, and merged into an application as layers. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { EventStream, KafkaClient, KafkaEvent, KafkaEvents } from "../../src/index.ts"
import { adjust, cluster, it } from "../consumer/onEmbedded.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"

const Created = KafkaEvent.make("Created", Schema.Struct({ id: Schema.String }), { key: ({ id }) => id })
const Paid = KafkaEvent.make("Paid", Schema.Struct({ id: Schema.String }), { key: ({ id }) => id })

const Orders = EventStream.make("orders", Created)
const Payments = EventStream.make("payments", Paid)

class Billing extends KafkaEvents.Subscription<Billing>()("billing", Orders) {}

class Audit extends KafkaEvents.Subscription<Audit>()("app/Audit", [Orders, Payments], { group: "audit" }) {}

describe("subscriptions", () => {
  it.effect(
    "are layers of one application: each gets its events, in the group of its name, or the one that is said",
    () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: {} })
        const client = yield* kafka.client({ clientId: "ours" })
        const events = KafkaEvents.layer({ topicPrefix: "shop.", streams: [Orders, Payments] })
        const app = Layer.mergeAll(Billing.layer, Audit.layer).pipe(
          Layer.provideMerge(events),
          Layer.provide(Layer.succeed(KafkaClient.KafkaClient, client))
        )
        const context = yield* asTimeGoesOn(Layer.build(app))
        const billed: Array<string> = []
        const audited: Array<string> = []
        yield* Effect.gen(function* () {
          const { publish } = yield* KafkaEvents.KafkaEvents
          const [billing, audit] = [yield* Billing, yield* Audit]
          yield* Effect.forkScoped(
            billing.runForEach(({ value }) => Effect.sync(() => void billed.push(value.data.id)))
          )
          yield* Effect.forkScoped(
            audit.runForEach(({ topic, value }) => Effect.sync(() => void audited.push(`${topic} ${value._tag}`)))
          )
          yield* Effect.forkScoped(Effect.andThen(publish(Orders, { id: "o-1" }), publish(Payments, { id: "o-1" })))
          yield* adjust("10 seconds")
        }).pipe(Effect.provide(context))
        assert.deepStrictEqual(billed, ["o-1"])
        assert.deepStrictEqual(audited.sort(), ["shop.orders Created", "shop.payments Paid"])
        assert.deepStrictEqual([...(yield* kafka.groups).keys()].sort(), ["audit", "billing"])
      })
  )

  it.effect("take settings that are known later in place of their own", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ topics: {} })
      const client = yield* kafka.client({ clientId: "ours" })
      const app = Audit.layerWith({ group: "another", instanceId: "one" }).pipe(
        Layer.provide(KafkaEvents.layer({ streams: [Orders, Payments] })),
        Layer.provide(Layer.succeed(KafkaClient.KafkaClient, client))
      )
      yield* asTimeGoesOn(Layer.build(app))
      const groups = yield* kafka.groups
      assert.deepStrictEqual([...groups.keys()], ["another"])
      assert.deepStrictEqual(
        groups.get("another")!.members.map(({ instanceId }) => instanceId),
        ["one"]
      )
    })
  )
})
