/** A source on a cluster in memory, in the test's own time, with all that it asks and tells written down. */
import { assert, it as effectIt } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { withoutChance } from "../support/effect/v4/random.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { currentClock, millisOf } from "../../src/internal/effect/v4/clock.ts"
import type { FetchRequest, ListOffsetsRequest } from "../../src/KafkaProtocol.ts"
import type { SourceOptions } from "../../src/internal/source/context.ts"
import { Failures } from "../../src/internal/source/failures.ts"
import type { Cursor, SourceEvent } from "../../src/internal/source/cursor.ts"
import { makeSource, type Source } from "../../src/internal/source/source.ts"
import type { FakeCluster, Request } from "../support/FakeCluster.ts"
import { ManualClock } from "../support/ManualClock.ts"
import { settle, topic } from "../support/answers.ts"

/** When tests begin: far from zero, which stands for "at once" in the source. */
export const BEGIN = 10_000_000

export const METADATA_AGE = 60_000
export const DENIED_RETRY = 5_000
export const GRACE = 3_000
export const MAX_WAIT = 2_000
/** The client of a `FakeCluster` waits this long before its first repetition, twice as long before each further one. */
export const BACKOFF = 10
export const MAX_BACKOFF = 100

interface Asked {
  readonly request: Request
  readonly node: number
  readonly detail: unknown
  /** Milliseconds since the test began. */
  readonly at: number
}

/** A source, and what it reads of the topic of these tests. */
export type WatchedSource = Pick<Source, "take" | "broken" | "refresh"> & {
  readonly partitions: ReadonlyMap<number, Readonly<Cursor>>
  readonly description: () => ReturnType<Source["description"]>
  readonly refetch: (partition: number, offset: number) => void
  readonly reopen: (partition: number) => void
  readonly lastFailure: () => Failures["last"]
}

export interface Watched {
  readonly source: WatchedSource
  /** The source itself: of any topics. */
  readonly all: Source
  /** All events as they came. */
  readonly events: Array<SourceEvent>
  readonly asked: Array<Asked>
  /** State, broker and reason of each change of a connection. */
  readonly connections: Array<readonly ["lost" | "back", string, string | undefined]>
  /** Why nothing is known of the topic, each time that this was told. */
  readonly waits: Array<string>
  readonly partition: (number?: number) => Readonly<Cursor>
  /** The requests of one kind since the last call of `forget`. */
  readonly requests: (request: Request) => ReadonlyArray<Asked>
  readonly fetches: () => ReadonlyArray<FetchRequest>
  readonly forget: () => void
}

/** Random numbers are 0 in these tests, so that each wait is exactly as long as the backoff says. */
export const it = {
  effect: <E>(name: string, test: () => Effect.Effect<void, E, Scope.Scope>) =>
    effectIt.effect(name, () => test().pipe(withoutChance, withClock(new ManualClock(BEGIN))))
}

const manualClock = Effect.map(currentClock, (clock) =>
  clock instanceof ManualClock ? clock : assert.fail("not within `it` of this module")
)

export interface OptionsOfTest extends Partial<Omit<SourceOptions, "fetch" | "client">> {
  readonly fetch?: Partial<SourceOptions["fetch"]>
}

/** Makes a source that follows the topic of these tests; its events are taken at once unless `takes` is false. */
export const watch = (cluster: FakeCluster, options: OptionsOfTest = {}, takes = true) =>
  Effect.gen(function* () {
    const clock = yield* currentClock
    const asked: Array<Asked> = []
    const events: Array<SourceEvent> = []
    const connections: Array<Watched["connections"][number]> = []
    const waits: Array<string> = []
    cluster.listener = (request, node, detail) => {
      asked.push({ request, node, detail, at: millisOf(clock) - BEGIN })
    }
    const failures = options.failures ?? new Failures()
    const made = yield* makeSource({
      failures,
      onThrottled: ({ broker, millis }) => Effect.sync(() => waits.push(`${broker} throttles for ${millis}`)),
      client: yield* cluster.client,
      isolation: "read_committed",
      metadataMaxAgeMillis: METADATA_AGE,
      deniedRetryMillis: DENIED_RETRY,
      missingGraceMillis: GRACE,
      onWaiting: (error) => Effect.sync(() => waits.push(error.reason)),
      onConnection: ({ broker, error, state }) => Effect.sync(() => connections.push([state, broker, error?.reason])),
      ...options,
      fetch: {
        maxWaitMillis: MAX_WAIT,
        minBytes: 1,
        maxBytes: 50_000,
        maxPartitionBytes: 1_000,
        maxBatchBytes: 5_000,
        ...options.fetch
      }
    })
    const source: WatchedSource = {
      take: made.take,
      broken: made.broken,
      refresh: made.refresh,
      get partitions() {
        return made.cursors(topic)
      },
      description: () => made.description(topic),
      refetch: (partition, offset) => made.refetch(topic, partition, offset),
      reopen: (partition) => made.reopen(topic, partition),
      lastFailure: () => failures.last
    }
    yield* made.follow(topic)
    if (takes) yield* Effect.forkScoped(Effect.forever(Effect.map(source.take, (event) => events.push(event))))
    yield* settle
    const requests: Watched["requests"] = (request) => asked.filter((one) => one.request === request)
    const watched: Watched = {
      source,
      all: made,
      events,
      asked,
      connections,
      waits,
      requests,
      partition: (number = 0) => source.partitions.get(number)!,
      fetches: () => requests("Fetch").map(({ detail }) => detail as FetchRequest),
      forget: () => {
        asked.length = 0
        events.length = 0
        connections.length = 0
        waits.length = 0
      }
    }
    return watched
  })

/** Lets time pass, and all that waits for a time do at that time what it waits for, one after the other. */
export const pass = (millis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const clock = yield* manualClock
    const end = millisOf(clock) + millis
    yield* settle
    for (let next = clock.next; next <= end; next = clock.next) {
      clock.unsafeSetTime(next)
      yield* settle
    }
    clock.unsafeSetTime(end)
    yield* settle
  })

export const listOf = (detail: unknown): ListOffsetsRequest => detail as ListOffsetsRequest

/** Of an event, what a test compares: its tag and its numbers; of an error its reason. */
export const shown = (events: ReadonlyArray<SourceEvent>): ReadonlyArray<string> =>
  events.map((event) => {
    switch (event._tag) {
      case "Opened":
        return `Opened ${event.partition}: ${event.start} to ${event.end}`
      case "Fetched":
        return `Fetched ${event.partitions.map(({ partition }) => partition).join(" and ")}`
      case "PartitionCount":
        return `PartitionCount ${event.count}`
      case "Truncated":
        return `Truncated ${event.partition}: ${event.error.reason} from ${event.error.from} to ${event.error.to}`
      case "Denied":
      case "Fatal":
        return `${event._tag} ${event.error._tag} ${event.error.reason}`
      case "Granted":
        return "Granted"
    }
  })
