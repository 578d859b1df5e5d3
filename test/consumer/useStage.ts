/** What a life of one consumer at random has: the consumer and its user, what is around it, and the time. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { EmbeddedKafka, KafkaConsumer } from "../../src/index.ts"
import { turns } from "../support/turns.ts"
import { GROUP, placeOf, TOPICS } from "./groupModel.ts"
import type { Chance } from "./groupWorkers.ts"
import { Use } from "./useFaces.ts"
import type { UseModel } from "./useModel.ts"
import { STOP } from "./useOptions.ts"

/** How long closing may take at most, in milliseconds: for the work, and for all else, a face that is finished before included. */
const LONGEST_CLOSE = STOP + 10_000

/** Lets all that can run come to where it waits. */
export const quiet = turns(30)

export class Stage {
  use: Use | undefined
  foreign: { readonly member: EmbeddedKafka.ForeignMember; readonly scope: Scope.Closeable } | undefined
  /** The transaction that is open, and where it has written. */
  open:
    { readonly transaction: EmbeddedKafka.Transaction; readonly places: Array<readonly [string, number]> } | undefined
  isCalm = false
  /** How many records were written. */
  records = 0
  private made = 0

  constructor(
    readonly model: UseModel,
    readonly chance: Chance,
    readonly protocol: "classic" | "consumer",
    readonly partitions: number,
    readonly faults: Scope.Closeable
  ) {}

  get kafka(): EmbeddedKafka.EmbeddedKafka {
    return this.model.kafka
  }

  get somewhere(): KafkaConsumer.TopicPartition {
    return { topic: this.chance.of(TOPICS)!, partition: this.chance.below(this.partitions) }
  }

  withUse<A, E>(step: (use: Use, consumer: NonNullable<Use["consumer"]>) => Effect.Effect<A, E>) {
    return Effect.suspend((): Effect.Effect<unknown, E> => {
      const { use } = this
      return use?.consumer === undefined || use.closingSince !== undefined ? Effect.void : step(use, use.consumer)
    })
  }

  /** Begins a consumer, if there is none. */
  readonly begin = Effect.gen({ self: this }, function* () {
    if (this.use !== undefined && !this.use.isClosed) return
    this.model.failsOnPoison = !this.isCalm && this.chance.is(0.15)
    this.use = new Use(this.model, this.chance, `c${++this.made}`, this.chance.is(0.4), yield* Scope.make())
    this.use.isCalm = this.isCalm
    yield* this.use.acquire(this.protocol)
  })

  /** How far the consumer is at a place, by what it says; `undefined` where it has nothing of it. */
  lagOf(place: KafkaConsumer.TopicPartition) {
    return Effect.map(this.use?.consumer?.lag ?? Effect.succeed([]), (all) =>
      all.find((one) => placeOf(one) === placeOf(place))
    )
  }

  advance(millis: number): Effect.Effect<void> {
    return Effect.andThen(this.model.clock.adjust(millis), this.look)
  }

  /** Looks at all that is told of the consumer, and for how long what is asked of it takes. */
  readonly look = Effect.gen({ self: this }, function* () {
    yield* quiet
    const { model, use } = this
    if (use?.consumer !== undefined && !use.isClosed) {
      const { consumer } = use
      const health = yield* SubscriptionRef.get(consumer.health)
      if (health._tag === "Failed") use.failure = health.error
      const told = (yield* consumer.lag).map(placeOf).sort().join()
      const owned = (yield* SubscriptionRef.get(consumer.assignment)).map(placeOf).sort().join()
      if (told !== owned) model.problem(`it tells of ${told}, and owns ${owned}`)
    }
    const closingFor = use?.closingSince === undefined || use.isClosed ? 0 : model.clock.evenMillis() - use.closingSince
    if (closingFor > LONGEST_CLOSE) model.problem(`closing takes ${closingFor} ms`)
    if (use?.isClosed === true) {
      const members = (yield* this.kafka.groups).get(GROUP)?.members ?? []
      if (members.some(({ clientId }) => clientId === use.name)) model.problem(`${use.name} is left in the group`)
    }
    model.lookAtWaits(use === undefined || use.isClosed || use.failure !== undefined)
    yield* model.check
  })
}
