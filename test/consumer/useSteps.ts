/** What a user may ask of a consumer. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { errorOf } from "../support/exits.ts"
import { placeOf } from "./groupModel.ts"
import { quiet, type Stage } from "./useStage.ts"
import { Life } from "./usePlaces.ts"

export const userSteps = (stage: Stage) => {
  const face = stage.withUse((use) => use.begin)
  const leave = stage.withUse((use) => use.leave)

  const busy = stage.withUse((use, consumer) =>
    use.face === undefined || !use.isFaced || use.isEnding || use.failure !== undefined
      ? Effect.void
      : Effect.map(Effect.exit(Stream.runDrain(consumer.chunks)), (exit) => {
          const error = errorOf(exit)
          if (error?._tag !== "KafkaGroupError") stage.model.problem(`a second face ends: ${String(error)}`)
        })
  )

  const done = stage.withUse((use) =>
    Effect.sync(() => {
      const all = [...use.held]
      const isInOrder = stage.chance.is(0.6)
      for (let left = 1 + stage.chance.below(6); left > 0 && all.length > 0; left--) {
        use.done(all.splice(isInOrder ? 0 : stage.chance.below(all.length), 1)[0])
      }
    })
  )

  const fail = stage.withUse((use) =>
    Effect.sync(() => {
      const held = stage.chance.of([...use.held].filter(({ end }) => end !== undefined))
      if (held === undefined) return
      stage.model.note(`fails ${held.place}@${held.record.offset}`)
      use.held.delete(held)
      held.end!(false)
    })
  )

  const commitRecord = stage.withUse((use) =>
    Effect.suspend(() => {
      const held = stage.chance.of([...use.held].filter(({ end }) => end === undefined))
      if (held === undefined) return Effect.void
      use.held.delete(held)
      stage.model.done(held)
      const { life, place, record } = held
      const waiting = stage.model.wait(
        `${place}@${record.offset}`,
        [{ place, life, to: record.offset + 1 }],
        record.commit
      )
      return Effect.forkDetach(waiting)
    })
  )

  const commit = stage.withUse((_, consumer) =>
    Effect.gen(function* () {
      const place = stage.chance.is(0.5) ? undefined : stage.somewhere
      const begun = new Set((yield* consumer.lag).flatMap((one) => (one.position === undefined ? [] : [placeOf(one)])))
      const covers = stage.model.alive
        .filter(([one]) => begun.has(one) && (place === undefined || one === placeOf(place)))
        .map(([place, life]) => ({ place, life, to: life.doneTo }))
      const commit = place === undefined ? consumer.commit() : consumer.commit([place])
      yield* Effect.forkDetach(stage.model.wait("commit()", covers, commit))
    })
  )

  const pause = stage.withUse((_, consumer) =>
    Effect.gen(function* () {
      const place = stage.somewhere
      yield* consumer.pause([place])
      const lag = yield* stage.lagOf(place)
      if (lag === undefined) return
      stage.model.note(`pauses ${placeOf(place)} at ${lag.position}`)
      stage.model.pause(placeOf(place), lag.position)
    })
  )

  const resume = stage.withUse((_, consumer) =>
    Effect.suspend(() => {
      const place = stage.somewhere
      stage.model.note(`resumes ${placeOf(place)}`)
      stage.model.resume(placeOf(place))
      return consumer.resume([place])
    })
  )

  const seek = stage.withUse((_, consumer) =>
    Effect.gen(function* () {
      const place = stage.somewhere
      const end = (yield* stage.kafka.topics).get(place.topic)!.partitions[place.partition].highWatermark
      const offset = stage.chance.below(end + (stage.chance.is(0.1) ? 3 : 1))
      const before = yield* stage.lagOf(place)
      yield* consumer.seek({ ...place, offset })
      const after = yield* stage.lagOf(place)
      // What is being given up does not go elsewhere.
      if (after === undefined || (after.position ?? offset) !== offset) return
      stage.model.note(`seeks ${placeOf(place)}@${offset}`)
      stage.model.begins(placeOf(place), new Life(offset, offset > end || before?.position === offset))
    })
  )

  const seekToTime = stage.withUse((use, consumer) =>
    Effect.gen(function* () {
      const place = stage.somewhere
      const time = stage.model.clock.millis() - stage.chance.below(30_000)
      const sought = Effect.gen(function* () {
        const exit = yield* Effect.exit(consumer.seekToTime(time, [place]))
        const after = yield* stage.lagOf(place)
        if (Exit.isFailure(exit) || after === undefined || use.isClosed) return
        stage.model.note(`seeks ${placeOf(place)}@${after.position} by time`)
        stage.model.begins(placeOf(place), new Life(after.position ?? 0, true))
      })
      yield* Effect.forkIn(sought, use.scope)
    })
  )

  const drain = stage.withUse((use, consumer) =>
    Effect.suspend(() => {
      if (use.isDraining) return Effect.void
      use.isDraining = true
      stage.model.note("drains")
      const drained = Effect.map(Effect.andThen(consumer.drain, quiet), () => {
        stage.model.note("is drained")
        use.isDrained = true
        if (use.closingSince !== undefined || use.failure !== undefined) return
        const left = [...use.held].find(({ isLeft, life, place }) => !isLeft && stage.model.lifeOf(place) === life)
        if (left !== undefined) stage.model.problem(`drained, though ${left.place}@${left.record.offset} is not done`)
      })
      return Effect.forkIn(drained, use.scope)
    })
  )

  const close = stage.withUse((use) => use.close)

  return { face, leave, busy, done, fail, commitRecord, commit, pause, resume, seek, seekToTime, drain, close }
}
