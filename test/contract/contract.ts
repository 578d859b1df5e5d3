/**
 * What is promised, as tests that run on any cluster: everything but what needs a broker to be stopped, Kafka's own
 * tools, or a listener with TLS, credentials and rights. Where two clusters differ, Apache Kafka is right.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { assert, beforeAll, describe } from "vitest"
import * as live from "../support/live.ts"
import type { Feature, Lacks } from "../kafka/versions.ts"
import type { Backend } from "./Backend.ts"
import { topics } from "./topics.ts"
import { options } from "./options.ts"
import { catchingUp } from "./catchingUp.ts"
import { reading } from "./reading.ts"
import { records } from "./records.ts"
import { indexing } from "./indexes.ts"
import { poison } from "./poison.ts"
import { compaction } from "./compaction.ts"
import { transactionProtocol } from "./transactionProtocol.ts"
import { transactions } from "./transactions.ts"
import { truncation } from "./truncation.ts"
import { topicLife } from "./topicLife.ts"
import { partitions } from "./partitions.ts"
import { waits } from "./waits.ts"
import { changes } from "./changes.ts"
import { derived } from "./derived.ts"
import { feeds } from "./feeds.ts"
import { events } from "./events.ts"
import { expiry } from "./expiry.ts"
import { liveQueries } from "./liveQueries.ts"
import { resuming } from "./resuming.ts"
import { status } from "./status.ts"
import { writing } from "./writing.ts"
import { consuming } from "./consuming.ts"
import { producing } from "./producing.ts"
import { catalogs } from "./catalogs.ts"
import { closing } from "./closing.ts"
import { classicGroups } from "./classicGroups.ts"
import { consumerGroups } from "./consumerGroups.ts"
import { grouped } from "./grouped.ts"
import { groupOffsets } from "./groupOffsets.ts"
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
  feeds,
  "derived tables": derived,
  "live queries": liveQueries,
  indexes: indexing,
  status,
  writing,
  producing,
  consuming,
  events,
  "groups with members": grouped,
  "offsets of groups": groupOffsets,
  "transactions by protocol": transactionProtocol,
  closing
}

/** Whose tests spend most of their time waiting: for a cleaner, a metadata's age, a topic that may come back. */
const patient: Subjects = {
  catalogs,
  compaction,
  truncation,
  partitions,
  resuming,
  expiry,
  "a topic's life": topicLife,
  "groups of the classic protocol": classicGroups,
  "groups of the consumer protocol": consumerGroups
}

/**
 * The same, but not beside others where Kafka's own producer writes the records: when one test creates its topic again, that makes
 * those of others anew, too, that it has written to and they have deleted.
 */
const patientAlone: ReadonlySet<string> = new Set(["consuming", "feeds", "derived tables"])

/** Those of what coordinators answer, request by request. */
const ofCoordinators: ReadonlySet<string> = new Set([
  "offsets of groups",
  "transactions by protocol",
  "groups of the classic protocol",
  "groups of the consumer protocol"
])

/** Tests about what not every cluster has: they are left out there, and say why. */
const needs: Readonly<Record<string, Feature>> = {
  "copies that are cut off at random and come back are the table, at each version that they are told": "topic ids",
  "a reader that stays is told every version's content, conflated, and from another replica by place": "topic ids",
  "one that is missing is created, compacted, with the broker's defaults, and verified the next time":
    "defaults of new topics",
  "a policy without compaction: reconciled, with all else kept": "IncrementalAlterConfigs",
  "a token tells a place only while the content follows from it": "topic ids",
  "a log that is kept for ever: made so, and checked": "IncrementalAlterConfigs",
  "a record without a key is refused on a compacted topic, and nothing of its batch is written": "refused records",
  "a record that the broker refuses fails alone: one without a key, in a compacted topic": "refused records",
  "a member of the consumer protocol: each record once, shared with another, and given back": "the consumer protocol",
  "what was done of a topic that is created again is not committed for the new one: classic": "topic ids",
  "what was done of a topic that is created again is not committed for the new one: consumer": "the consumer protocol",
  "nor is it while so much of it is kept that nothing is fetched: classic": "topic ids",
  "nor is it while so much of it is kept that nothing is fetched: consumer": "the consumer protocol",
  "a topic that there is not yet is no error: it is read once it is there, consumer": "the consumer protocol",
  "a topic that is deleted, and created again later, is read from its beginning: consumer": "the consumer protocol",
  "offsets are committed and found by the topic's id: one that is gone has none, nor takes any": "offsets by topic ids",
  "an answer may be lost: the epoch before is accepted with what is owned of the new one": "coordinators of Kafka 4.1",
  "an expression stands for the topics whose whole names match it, those that come later included":
    "coordinators of Kafka 4.1",
  "a static member that comes back has its partitions at once": "static members",
  "somebody else with the same instance id takes its place, and it says so": "static members",
  "re-created: typed with both ids; with a restart policy the new content replaces the old at once": "topic ids"
}

/** Tests that are run where not all of them are. */
const main: ReadonlySet<string> = new Set([
  "one that is missing is created as declared",
  "when acquired, it is complete as of the start, and exact at its positions, while others go on writing",
  "batches in zstd: replayed and followed as they were written",
  "nothing but holes up to the end: a topic whose keys are all gone is caught up at once",
  "of many producers, most of them aborted, one inside the other, compressed and not: as others read them",
  "a change tells what is and what was, with partition, offset, timestamp and headers",
  "writes appear at once; barrier and awaitPosition see what was acknowledged; nothing twice",
  "64 in flight: every key in the order of its calls, every acknowledgement at its position, few requests",
  "a table reads its own writes by their positions, one of them or the last of many",
  "records of several topics, by codecs, are read back by their tables",
  "each record once, in the order of its partition; another run of the group begins after what is done",
  "what was done of a topic that is created again is not committed for the new one: classic",
  "offsets are committed and found by the topic's id: one that is gone has none, nor takes any",
  "a table that is closed leaves no connection, fiber or timer; its content stays readable"
])

export interface Extent {
  /** What the cluster does not have. */
  readonly lacks?: Lacks
  /** "all" by default. */
  readonly tests?: "all" | "main"
  /** Whether a topic is there only if a test has made it; by default, a producer may have. */
  readonly keepsTopicsDeleted?: boolean
}

export const contract = <E>(
  make: Effect.Effect<Backend, E, Scope.Scope>,
  { keepsTopicsDeleted = false, lacks = {}, tests: extent = "all" }: Extent = {}
): void => {
  live.failOnProcessWarnings()
  const backend = live.shared(make)
  const unseen = new Set([...main, ...Object.keys(needs)])
  beforeAll(() => assert.deepStrictEqual([...unseen], [], "names of no test"))
  const testOf =
    (subject: string): Suite =>
    (name, body) => {
      unseen.delete(name)
      if (extent === "main" && !main.has(name)) return
      const why =
        lacks[needs[name]] ?? (ofCoordinators.has(subject) ? lacks["coordinators as they are now"] : undefined)
      if (why !== undefined) return live.leaveOut(name, why)
      live.test(name, () => Effect.flatMap(backend, (one) => body(kafkaOn(one, lacks))))
    }
  // A group without tests is a failure, so that the few have none.
  const all = Object.entries({ ...subjects, ...patient })
  if (extent === "main") {
    for (const [name, tests] of all) tests(testOf(name))
  } else {
    const isPatient = (name: string) => name in patient || (keepsTopicsDeleted && patientAlone.has(name))
    for (const [name, tests] of all) if (!isPatient(name)) describe(name, () => tests(testOf(name)))
    for (const [name, tests] of all) if (isPatient(name)) describe.concurrent(name, () => tests(testOf(name)))
  }
}
