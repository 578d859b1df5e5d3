// Members of groups as a user's program has them.
import { Effect, Fiber, Stream } from "effect"
import { job, number } from "../javascript.mjs"
import { fork } from "./majors.mjs"

/** What takes the records: chunks of them, or an Effect for each. */
const face = (consumer, onRecord) => {
  const concurrency = number("concurrency")
  if (concurrency > 0) {
    const one = ({ key, offset, partition, value }) => Effect.sync(() => onRecord(key, value, partition, offset))
    return consumer.runForEach(one, { concurrency })
  }
  return Stream.runForEach(consumer.chunks, (chunk) =>
    Effect.sync(() => {
      for (const record of chunk) {
        onRecord(record.key, record.value, record.partition, record.offset)
        record.done()
      }
    })
  )
}

/** `run` runs an Effect that needs Kafka; see `consumerTasks` for what this gives. */
export const beginMember =
  ({ KafkaConsumer }, { fetch, run, value }) =>
  ({ group, onRecord }) =>
    new Promise((resolve, reject) => {
      const make = KafkaConsumer.make({
        group,
        subscribe: job.topic,
        value,
        commitInterval: number("commitMillis"),
        sessionTimeout: number("sessionMillis"),
        heartbeatInterval: number("heartbeatMillis"),
        fetch
      })
      let finish
      const finished = new Promise((told) => (finish = told))
      const ended = run(
        Effect.gen(function* () {
          const consumer = yield* make
          const working = yield* fork(face(consumer, onRecord))
          resolve({
            close: () => {
              finish()
              return ended
            }
          })
          yield* Effect.raceFirst(
            Fiber.join(working),
            Effect.promise(() => finished)
          )
          yield* consumer.drain
        })
      )
      ended.catch(reject)
    })
