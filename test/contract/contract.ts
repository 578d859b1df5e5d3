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
import { producing } from "./producing.ts"
import { closing } from "./closing.ts"
import { kafkaOn, type Suite } from "./suite.ts"

type Subjects = Readonly<Record<string, (test: Suite) => void>>

const subjects: Subjects = {
  topics,
  options,
  "catching up": catchingUp,
  reading,
  records,
  poison,
  transactions,
  waits,
  changes,
  status,
  writing,
  producing,
  closing
}

/** Whose tests spend most of their time waiting: for a cleaner, a metadata's age, a topic that may come back. */
const patient: Subjects = {
  compaction,
  truncation,
  partitions,
  resuming,
  "a topic's life": topicLife
}

export const contract = <E>(make: Effect.Effect<Backend, E, Scope.Scope>): void => {
  live.failOnProcessWarnings()
  const backend = live.shared(make)
  const test: Suite = (name, body) => live.test(name, () => Effect.flatMap(backend, (one) => body(kafkaOn(one))))
  for (const [name, tests] of Object.entries(subjects)) describe(name, () => tests(test))
  for (const [name, tests] of Object.entries(patient)) describe.concurrent(name, () => tests(test))
}
