/** Our consumers in a group at random: each works on its records in many ways, and again after a failure. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Codec, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import {
  BEAT,
  type Consumer,
  GROUP,
  type GroupModel,
  type Ours,
  placeOf,
  REBALANCE,
  SESSION,
  TOPICS,
  type Work
} from "./groupModel.ts"

/** Choices at random, always the same ones for a seed. */
export class Chance {
  constructor(readonly next: () => number) {}

  is(probability: number): boolean {
    return this.next() < probability
  }

  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  of<A>(all: ReadonlyArray<A>): A | undefined {
    return all[this.below(all.length)]
  }
}

type Record = KafkaConsumer.Committable<string, string>

/** What there is to know of a consumer that is to begin. */
export interface Beginning {
  readonly name: string
  readonly protocol: "classic" | "consumer"
  readonly assignor: KafkaConsumer.Assignor
  readonly instanceId: string | undefined
}

/** Works on one record: at once, in some time, for longer than a session, or without heeding an interruption; or fails. */
const work = (model: GroupModel, chance: Chance, ours: Ours, record: Record): Effect.Effect<void, "failed"> =>
  Effect.suspend(() => {
    const isInterruptible = chance.is(0.9)
    const millis = chance.is(0.6) ? 0 : chance.below(chance.is(0.95) ? 2_500 : 3 * SESSION)
    const isFailing = chance.is(0.015)
    const held: Work = { place: placeOf(record), offset: record.offset, isInterruptible }
    const effort = millis === 0 ? Effect.void : Effect.sleep(millis)
    const body = Effect.andThen(
      isInterruptible ? effort : Effect.uninterruptible(effort),
      isFailing ? Effect.fail("failed" as const) : Effect.void
    )
    return Effect.andThen(
      model.begins(ours, held),
      Effect.onExit(body, (exit) => Effect.sync(() => model.ends(ours, held, Exit.isSuccess(exit))))
    )
  })

/** Works on each record by itself. */
const onEach = (model: GroupModel, chance: Chance, ours: Ours, consumer: Consumer): Effect.Effect<void> =>
  Effect.matchEffect(
    consumer.runForEach((record) => work(model, chance, ours, record), { concurrency: 1 + chance.below(4) }),
    {
      onFailure: (error) => {
        if (error === "failed") return onEach(model, chance, ours, consumer)
        return Effect.sync(() => model.problem(`${ours.name} has failed: ${error.message}`))
      },
      onSuccess: () => Effect.void
    }
  )

/** Takes chunks, and marks their records at some time, in any order. */
const onChunks = (model: GroupModel, chance: Chance, ours: Ours, consumer: Consumer): Effect.Effect<void> => {
  const each = (record: Record) =>
    Effect.gen(function* () {
      const held: Work = { place: placeOf(record), offset: record.offset, isInterruptible: false }
      yield* model.begins(ours, held)
      const marked = Effect.map(Effect.sleep(1 + chance.below(chance.is(0.9) ? 500 : 8_000)), () => {
        if (ours.state === "closed") return
        model.ends(ours, held, true)
        record.done()
      })
      yield* Effect.forkIn(marked, ours.scope)
    })
  return consumer.chunks.pipe(
    Stream.runForEach((chunk) => Effect.forEach(chunk, each, { discard: true })),
    Effect.catch((error) => Effect.sync(() => model.problem(`${ours.name} has failed: ${error.message}`)))
  )
}

const optionsOf = (
  chance: Chance,
  { assignor, instanceId, protocol }: Beginning
): KafkaConsumer.ConsumerOptions<string, string> => {
  const common = {
    group: GROUP,
    subscribe: chance.is(0.7) ? TOPICS : "?",
    value: Codec.utf8,
    rebalanceTimeout: REBALANCE,
    revokeTimeout: 8_000,
    stopTimeout: 5_000,
    startTimeout: 1_000,
    commitInterval: 200 + chance.below(3_000),
    maxUncommitted: chance.is(0.3) ? 5 : 1_000,
    metadataMaxAge: 3_000,
    fetch: { maxWait: 2_000 },
    ...(instanceId === undefined ? {} : { instanceId })
  } as const
  return protocol === "consumer"
    ? { ...common, protocol }
    : { ...common, assignor, sessionTimeout: SESSION, heartbeatInterval: BEAT }
}

/** Begins a consumer, beside the test. */
export const beginOurs = (model: GroupModel, chance: Chance, beginning: Beginning) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { instanceId, name, protocol } = beginning
    const ours: Ours = { name, protocol, instanceId, scope, works: new Set(), consumer: undefined, state: "live" }
    model.ours.push(ours)
    model.note(`${name} begins, ${protocol}, ${instanceId ?? "dynamic"}`)
    const client = yield* Scope.provide(model.kafka.client({ clientId: name, requestTimeout: 4_000 }), scope)
    const onEvent = (event: KafkaConsumer.GroupEvent) =>
      Effect.sync(() => {
        const places = "partitions" in event ? event.partitions.map(placeOf) : []
        model.note([name, event._tag, ...places, ...("reason" in event ? [event.reason] : [])].join(" "))
      })
    const life = KafkaConsumer.make(optionsOf(chance, beginning)).pipe(
      Effect.provideService(KafkaClient.KafkaClient, client),
      Scope.provide(scope),
      Effect.tap((consumer) => Effect.forkIn(Stream.runForEach(consumer.events, onEvent), scope)),
      Effect.tap((consumer) => Effect.sync(() => void (ours.consumer = consumer))),
      Effect.flatMap((consumer) =>
        chance.is(0.75) ? onEach(model, chance, ours, consumer) : onChunks(model, chance, ours, consumer)
      ),
      Effect.catch((error) => Effect.sync(() => model.problem(`${name} did not begin: ${error.message}`)))
    )
    yield* Effect.forkIn(life, scope)
    return ours
  })

/** Closes a consumer, beside the test. */
export const closeOurs = (model: GroupModel, ours: Ours) => {
  ours.state = "closing"
  model.note(`${ours.name} closes`)
  const closed = Effect.andThen(
    Scope.close(ours.scope, Exit.void),
    Effect.sync(() => {
      ours.state = "closed"
      ours.works.clear()
      model.note(`${ours.name} is closed`)
    })
  )
  return Effect.forkDetach(closed)
}
