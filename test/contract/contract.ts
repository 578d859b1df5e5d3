/**
 * What is promised, as tests that run on any cluster: everything but what needs a broker to be stopped, Kafka's own
 * tools, or a listener with TLS, credentials and rights. Where two clusters differ, Apache Kafka is right.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe } from "vitest"
import * as live from "../support/live.ts"
import type { Backend } from "./Backend.ts"
import { topics } from "./topics.ts"
import { options } from "./options.ts"
import { catchingUp } from "./catchingUp.ts"
import { reading } from "./reading.ts"
import { records } from "./records.ts"
import { poison } from "./poison.ts"
import { compaction } from "./compaction.ts"
import { transactions } from "./transactions.ts"
import { truncation } from "./truncation.ts"
import { topicLife } from "./topicLife.ts"
import { partitions } from "./partitions.ts"
import { waits } from "./waits.ts"
import { changes } from "./changes.ts"
import { resuming } from "./resuming.ts"
import { status } from "./status.ts"
import { writing } from "./writing.ts"
import { closing } from "./closing.ts"
import { kafkaOn, type Suite } from "./suite.ts"

const subjects: Readonly<Record<string, (test: Suite) => void>> = {
  topics,
  options,
  "catching up": catchingUp,
  reading,
  records,
  poison,
  transactions,
  truncation,
  partitions,
  waits,
  changes,
  status,
  resuming,
  writing,
  closing
}

export const contract = <E>(make: Effect.Effect<Backend, E, Scope.Scope>): void => {
  live.failOnProcessWarnings()
  const backend = live.shared(make)
  const test: Suite = (name, body) => live.test(name, () => Effect.flatMap(backend, (one) => body(kafkaOn(one))))
  for (const [name, tests] of Object.entries(subjects)) describe(name, () => tests(test))
  // these wait most of their time: for a cleaner, and for how long a topic may be missing before it is known to be gone
  describe.concurrent("compaction", () => compaction(test))
  describe.concurrent("a topic's life", () => topicLife(test))
}
