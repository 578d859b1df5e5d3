/**
 * A scope is closed, or a fiber interrupted, in whatever state a table or a writer is, and whether its broker runs or not:
 * soon over, and nothing is left on either end.
 */
import * as Effect from "effect/Effect"
import * as Lab from "../faults/lab.ts"
import { compacted } from "../faults/openings.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { shared } from "../support/live.ts"
import { testAll } from "./ended.ts"
import { password, SESSION_MILLIS, tableStates, user, writerStates, type SaslWorld } from "./states.ts"

realKafka("what is ended in whatever state leaves nothing", { java: true }, () => {
  const made = shared(
    Effect.gen(function* () {
      const lab = yield* Lab.make({
        listener: "sasl_plaintext",
        users: { [user]: password },
        config: { "connections.max.reauth.ms": String(SESSION_MILLIS) }
      })
      const topic = topicName()
      yield* lab.java.createTopic(topic, { partitions: 2, configs: compacted })
      yield* lab.java.seed(topic, { count: 20_000, valueBytes: 100 })
      const {
        nodes: [node],
        proxies: [proxy]
      } = lab
      return { lab, topic, node, connections: proxy.open } satisfies SaslWorld
    })
  )
  testAll("a table", tableStates, made)
  testAll("a writer", writerStates, made)
})
