/** What a table is asked in a way that cannot be: a typed error for each wait, whatever types were left out. */
import { assert, describe } from "@effect/vitest"
import { Cause, Effect, Exit, type Scope, Stream } from "effect"
import { Codec, DerivedTable, KafkaTable, LiveTable, Position } from "../../src/index.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { it } from "../support/ManualClock.ts"
import { advance, on, open, topic, withTopic } from "./support.ts"

/** A table, and one that is made of it. */
const both = Effect.gen(function* () {
  const cluster = withTopic()
  cluster.append(topic, [{ key: "a", value: "1" }])
  const table = yield* open(cluster, { history: { versions: 2 } })
  const derived = yield* DerivedTable.make(DerivedTable.from(table).pipe(DerivedTable.filter(() => true)))
  return { table, derived, all: [table, derived] as ReadonlyArray<Waiting> }
})

/** The message of the defect that it has to die of. */
const defectOf = <A, E>(exit: Exit.Exit<A, E>): string => {
  const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : assert.fail("it succeeded")
  assert.strictEqual((defect as { readonly _tag: string })._tag, "KafkaInvalidOptionsError")
  return (defect as Error).message
}

/** What can be subscribed to. */
interface Subscribed {
  readonly subscribe: (options?: {
    readonly strategy?: LiveTable.Strategy
  }) => Effect.Effect<unknown, never, Scope.Scope>
  readonly changesWith: (strategy: LiveTable.Strategy) => Stream.Stream<unknown, LiveTable.TableFailure>
}

type Waiting = Pick<LiveTable.LiveTable<string, string>, "awaitCaughtUp" | "barrier" | "awaitPosition">

/** The message of the typed error that it has to fail with. */
const problemOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.strictEqual((error as { readonly _tag: string })._tag, "KafkaInvalidOptionsError")
    return (error as unknown as Error).message
  })

const place = Position.make({ topic, partition: 0, offset: 0 })

/** What is no position, some of it in a list. */
const NO_POSITIONS = [
  null,
  undefined,
  "registry@0:0",
  5,
  {},
  { topic, partition: 0 },
  { topic, partition: 0, offset: Number.NaN },
  { topic, partition: 0, offset: -1 },
  { topic, partition: 0, offset: 0.5 },
  { topic, partition: "0", offset: 0 },
  { topic, partition: -1, offset: 0 },
  { topic: 5, partition: 0, offset: 0 },
  [place, null],
  [[place]]
] as unknown as ReadonlyArray<never>

describe("the options of a wait", () => {
  it.effect("a timeout is a duration above zero; everything wrong is told before anything is waited for", () =>
    Effect.gen(function* () {
      const { all } = yield* both
      for (const table of all) {
        const waits = [
          (options: unknown) => table.barrier(options as LiveTable.WaitOptions),
          (options: unknown) => table.awaitCaughtUp(options as LiveTable.WaitOptions),
          (options: unknown) => table.awaitPosition(place, options as LiveTable.WaitOptions),
          (options: unknown) => table.awaitPosition([], options as LiveTable.WaitOptions)
        ]
        for (const wait of waits) {
          for (const timeout of [0, -1, "-1 seconds", "soon", null, Number.NaN, Infinity, "30 days", {}]) {
            assert.include(
              yield* problemOf(wait({ timeout })),
              "timeout: must be a duration above zero, of at most 24 days"
            )
          }
          assert.include(yield* problemOf(wait({ timout: 5 })), `timout: unknown; did you mean "timeout"?`)
          for (const options of [null, 5, "5 seconds", []]) {
            assert.include(yield* problemOf(wait(options)), "options: must be an object; known are timeout")
          }
          yield* wait({ timeout: "1 second" })
          yield* wait({ timeout: undefined })
          yield* wait({})
          yield* wait(undefined)
        }
      }
    })
  )

  it.effect("are told with the topic, and where they were given", () =>
    Effect.gen(function* () {
      const { table } = yield* both
      assert.match(yield* problemOf(table.barrier({ timeout: -1 })), /^KafkaTable\.barrier of topic "registry": /)
    })
  )
})

describe("a position", () => {
  it.effect("that is none is a typed error, for those who wait and those who ask for a version", () =>
    Effect.gen(function* () {
      const { all, table } = yield* both
      for (const none of NO_POSITIONS) {
        for (const each of all) {
          assert.include(yield* problemOf(each.awaitPosition(none)), "position: must be a position")
        }
        if (none === undefined) continue
        assert.include(yield* problemOf(table.snapshotAt({ position: none })), "position: must be a position")
      }
      yield* table.snapshotAt({ position: { topic, partition: 0, offset: 0 } as Position.Position })
    })
  )

  it.effect("of another topic is told with that topic, on one line", () =>
    Effect.gen(function* () {
      const { all, table } = yield* both
      const foreign = { topic: "other\nline", partition: 0, offset: 0 } as Position.Position
      for (const each of all) {
        const told = yield* problemOf(each.awaitPosition([place, foreign]))
        assert.include(told, "other\\nline")
        assert.include(told, topic)
      }
      assert.include(yield* problemOf(table.snapshotAt({ position: foreign })), `of topic "other\\nline"`)
    })
  )

  it.effect("that is one is waited for as before", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* KafkaTable.make<string, string>({ topic, value: Codec.utf8, ensureTopic: false }).pipe(
        on(cluster)
      )
      const waiting = yield* Effect.forkChild(table.awaitPosition([place, place]))
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* advance(1_000)
      assert.isTrue(hasEnded(waiting))
    })
  )
})

describe("a strategy", () => {
  it.effect("that is none is a defect of the one who subscribes, and nobody else's", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const derived = yield* DerivedTable.make(DerivedTable.from(table).pipe(DerivedTable.filter(() => true)))
      const live = yield* table.live()
      const all: ReadonlyArray<Subscribed> = [table, derived, live]
      for (const each of all) {
        for (const strategy of [
          null,
          "Conflate",
          {},
          { _tag: "conflate" },
          { _tag: "Sliding" },
          { _tag: "BackPressure", capacity: "5" }
        ]) {
          const given = strategy as LiveTable.Strategy
          const told = "strategy: must be LiveTable.conflate, or what LiveTable.sliding, dropping and backPressure make"
          assert.include(defectOf(yield* Effect.exit(Effect.scoped(each.subscribe({ strategy: given })))), told)
          assert.include(defectOf(yield* Effect.exit(Stream.runDrain(each.changesWith(given)))), told)
        }
        for (const options of [null, 5, "conflate", []]) {
          assert.include(
            defectOf(yield* Effect.exit(Effect.scoped(each.subscribe(options as never)))),
            "options: must be an object with some of strategy"
          )
        }
        assert.include(
          defectOf(yield* Effect.exit(Effect.scoped(each.subscribe({ strategi: LiveTable.conflate } as never)))),
          `options.strategi: unknown; did you mean "strategy"?`
        )
        yield* each.subscribe({})
        yield* each.subscribe({ strategy: LiveTable.sliding(Number.NaN) })
      }
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* advance(1_000)
      yield* table.barrier()
      assert.deepStrictEqual(
        [table.unsafeSnapshot().size, derived.unsafeSnapshot().size, live.unsafeCurrent().size],
        [1, 1, 1]
      )
    })
  )
})

describe("a live query", () => {
  it.effect("of which something is wrong is a defect when it is run, and never throws before", () =>
    Effect.gen(function* () {
      const { table } = yield* both
      for (const [where, options, told] of [
        [null, {}, "where: must be an object"],
        [[], {}, "where: must be an object"],
        [{}, null, "options: must be an object"],
        [{}, 5, "options: must be an object"],
        [{}, { limit: Number.NaN }, "limit: must be a whole number"],
        [{}, { limit: -1 }, "limit: must be a whole number"],
        [{}, { limit: "5" }, "limit: must be a whole number"]
      ] as const) {
        const asked: ReadonlyArray<Effect.Effect<unknown, never, Scope.Scope>> = [
          table.live(where as never, options as never),
          table.query(where as never, options as never)
        ]
        for (const each of asked) assert.include(defectOf(yield* Effect.exit(Effect.scoped(each))), told)
      }
    })
  )
})
