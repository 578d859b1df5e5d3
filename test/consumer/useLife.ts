/** One consumer at random: all that a user may ask of it, while its group, its topics and its coordinator change. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { EmbeddedKafka } from "../../src/index.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { withSeed } from "../support/effect/v4/random.ts"
import { ManualClock } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { BEAT, placeOf, SESSION, TOPICS } from "./groupModel.ts"
import { Chance } from "./groupWorkers.ts"
import { clusterSteps } from "./useCluster.ts"
import { UseModel } from "./useModel.ts"
import { Stage } from "./useStage.ts"
import { userSteps } from "./useSteps.ts"

/** How many steps of half a second all may take to come to rest. */
const REST_STEPS = 300

class Life {
  private readonly user: ReturnType<typeof userSteps>
  private readonly cluster: ReturnType<typeof clusterSteps>

  constructor(private readonly stage: Stage) {
    this.user = userSteps(stage)
    this.cluster = clusterSteps(stage)
  }

  /** What may happen, and how often of all. */
  private get steps(): ReadonlyArray<readonly [weight: number, step: Effect.Effect<unknown, unknown>]> {
    return [
      [16, this.cluster.append],
      [3, this.cluster.transact],
      [3, this.cluster.endTransaction],
      [1, this.cluster.truncate],
      [22, Effect.suspend(() => this.stage.advance(20 + this.stage.chance.below(1_500)))],
      [3, Effect.suspend(() => this.stage.advance(this.stage.chance.below(15_000)))],
      [6, this.stage.begin],
      [14, this.user.face],
      [4, this.user.leave],
      [1, this.user.busy],
      [18, this.user.done],
      [1, this.user.fail],
      [5, this.user.commitRecord],
      [4, this.user.commit],
      [3, this.user.pause],
      [4, this.user.resume],
      [4, this.user.seek],
      [1, this.user.seekToTime],
      [1, this.user.drain],
      [2, this.user.close],
      [1, this.cluster.join],
      [2, this.cluster.part],
      [1, this.cluster.kick],
      [3, this.cluster.fault]
    ]
  }

  /** One of the things that may happen. */
  readonly step = Effect.suspend(() => {
    let at = this.stage.chance.below(this.steps.reduce((sum, [weight]) => sum + weight, 0))
    const [, step] = this.steps.find(([weight]) => (at -= weight) < 0)!
    return Effect.andThen(step, this.stage.look)
  })

  private until(left: Effect.Effect<ReadonlyArray<string>>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let i = 0; i < REST_STEPS; i++) {
        if ((yield* left).length === 0) return
        yield* this.stage.advance(500)
      }
      this.stage.model.problem(`it does not come to rest: ${(yield* left).join(", ")}`)
      yield* this.stage.model.check
    })
  }

  private readonly isClosed = Effect.sync(() =>
    this.stage.use === undefined || this.stage.use.isClosed ? [] : ["it is not closed"]
  )

  /** Why not all is done. */
  private readonly unrest = Effect.gen({ self: this }, function* () {
    const { model, use } = this.stage
    if (use?.consumer === undefined) return ["it is not acquired"]
    if (use.face === undefined) yield* use.begin
    if (use.isManual) yield* Effect.forkDetach(Effect.ignore(use.consumer.commit()))
    const why = [...model.waits].map(({ what }) => `${what} waits`)
    const health = yield* SubscriptionRef.get(use.consumer.health)
    if (health._tag !== "Steady") why.push(`it is ${health._tag}`)
    const lags = yield* use.consumer.lag
    for (const { name: topic, partitions } of (yield* this.stage.kafka.topics).values()) {
      for (const { highWatermark, partition } of partitions) {
        const place = placeOf({ topic, partition })
        const life = model.lifeOf(place)
        const next = life === undefined ? undefined : model.logs.nextFrom(place, life.next, model.failsOnPoison)
        if (life === undefined) why.push(`${place} is not owned`)
        if (next !== undefined) why.push(`${place}@${next} was not handed out`)
        if (life?.firstUndone !== undefined) why.push(`${place}@${life.firstUndone} is not done`)
        const committed = yield* model.committedOf(place)
        if (committed !== highWatermark) why.push(`${place} is committed at ${committed} of ${highWatermark}`)
        const lag = lags.find((one) => placeOf(one) === place)?.lag
        if (lag !== 0) why.push(`${place} has a lag of ${lag}`)
      }
    }
    return why
  })

  /** Ends all faults, and looks at what it comes to. */
  readonly calm = Effect.gen({ self: this }, function* () {
    this.stage.model.note("calm")
    yield* Scope.close(this.stage.faults, Exit.void)
    yield* this.cluster.endTransaction
    yield* this.cluster.part
    this.stage.isCalm = true
    const before = this.stage.use
    if (before !== undefined) {
      yield* before.leave
      yield* this.until(Effect.sync(() => (before.face === undefined ? [] : ["the face is not left"])))
      // What is over does not go on.
      if (before.isEnding || this.stage.model.failsOnPoison) {
        if (before.closingSince === undefined) yield* before.close
        yield* this.until(this.isClosed)
      }
      before.isCalm = true
    }
    yield* this.stage.begin
    const use = this.stage.use!
    yield* this.until(Effect.sync(() => (use.consumer === undefined ? ["it is not acquired"] : [])))
    yield* use.consumer!.resume(yield* SubscriptionRef.get(use.consumer!.assignment))
    for (const [place] of this.stage.model.alive) this.stage.model.resume(place)
    yield* use.begin
    yield* this.until(this.unrest)
    yield* use.close
    yield* this.until(this.isClosed)
  })
}

/** One life of a consumer, of so many steps. */
export const live = (seed: number, steps: number): Effect.Effect<void, unknown> =>
  Effect.suspend(() => {
    const clock = new ManualClock(1_000_000)
    return Effect.gen(function* () {
      const chance = new Chance(randomOf(seed))
      const partitions = 1 + chance.below(2)
      const configs = { "cleanup.policy": "delete" }
      const kafka = yield* EmbeddedKafka.make({
        topics: Object.fromEntries(TOPICS.map((topic) => [topic, { partitions, configs }])),
        groups: { sessionTimeout: SESSION, heartbeatInterval: BEAT }
      })
      const model = new UseModel(kafka, clock)
      yield* kafka.intercept("OffsetCommit", ({ clientId, request }, answer) => {
        const places = clientId === "foreign" ? [] : request.partitions
        const noted = Effect.forEach(
          places,
          ({ offset, partition, topic }) => model.committing(placeOf({ topic: topic.name, partition }), offset),
          { discard: true }
        )
        return Effect.andThen(noted, answer)
      })
      const life = new Life(
        new Stage(model, chance, chance.is(0.5) ? "classic" : "consumer", partitions, yield* Scope.make())
      )
      for (let i = 0; i < steps; i++) yield* life.step
      yield* life.calm
    }).pipe(Effect.scoped, withSeed(seed), withoutLogs, withClock(clock))
  })
