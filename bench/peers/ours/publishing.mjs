// Typed events, published as a user's program does it.
import { Effect } from "effect"
import { job, publish } from "../javascript.mjs"

export const publishing = ({ EventStream, KafkaEvent, KafkaEvents }, { runtime, schema }) =>
  Effect.gen(function* () {
    const Started = KafkaEvent.make("Started", schema, { key: ({ id }) => id })
    const stream = EventStream.make(job.topic, Started)
    const events = yield* KafkaEvents.make()
    const each = (nodes) =>
      Effect.forEach(nodes, (node) => events.publish(stream, node), { concurrency: "unbounded", discard: true })
    yield* Effect.promise(() =>
      publish(runtime, {
        together: (nodes) => Effect.runPromise(events.publishMany(stream, nodes)),
        each: (nodes) => Effect.runPromise(each(nodes))
      })
    )
  })
