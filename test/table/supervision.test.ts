/** However a reader ends, and whatever others' code does to it: typed, told to everybody, and never in silence. */
import { assert, describe } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schedule, Scope } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { isSchemaError } from "../support/effect/v4/schemas.ts"
import { failureOf } from "../support/exits.ts"
import { both, interrupted } from "../support/effect/v4/causes.ts"
import { limited, tapInput, tapStep, whileInput } from "../support/effect/v4/schedules.ts"
import { loggingTo } from "../support/effect/v4/logs.ts"
import { interruptAtOnce } from "../support/effect/v4/fibers.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { LiveTable } from "../../src/index.ts"
import { Codec, KafkaClient, KafkaTable, Position, type KafkaError } from "../../src/index.ts"
import { connectionError } from "../support/FakeCluster.ts"
import { it } from "../support/ManualClock.ts"
import { answering } from "../support/answering.ts"
import { acquiring, advance, capturing, on, open, settle, topic, until, withTopic } from "./support.ts"

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

const closed = connectionError("Closed")

const never = Position.make({ topic, partition: 0, offset: 1_000 })

/** Interrupts the fiber that runs it, as a library does that has got hold of the wrong one. */
const interruptMyself = Effect.withFiber<never>((fiber) => {
  interruptAtOnce(fiber)
  return Effect.never
})

/** Every way that somebody's Effect can end without a value. */
const ends: ReadonlyArray<readonly [how: string, effect: Effect.Effect<never>]> = [
  ["dies", Effect.die(new Error("boom"))],
  ["ends by interruption", Effect.interrupt],
  ["throws", Effect.sync(() => assert.fail("boom"))],
  ["dies and is interrupted", Effect.failCause(both(Cause.die("boom"), interrupted))],
  ["is a cause without anything in it", Effect.failCause(Cause.empty)]
]

/** The table has ended for good, and everybody is told so by the same typed error. */
const assertEnded = <K, V>(table: KafkaTable.KafkaTable<K, V>, reason: string) =>
  Effect.gen(function* () {
    const status = yield* SubscriptionRef.get(table.status)
    assert.strictEqual(status._tag, "Failed")
    if (status._tag !== "Failed") return assert.fail()
    assert.isFalse(status.healing)
    assert.strictEqual(status.error.reason, reason)
    assert.isTrue(failureOf(yield* Effect.exit(table.failure)) === status.error)
    for (const wait of [table.barrier(), table.awaitPosition(never), table.awaitCaughtUp()]) {
      assert.isTrue(failureOf(yield* Effect.exit(wait)) === status.error)
    }
    assert.isFalse((yield* table.freshness).connected)
    return status.error
  })

describe("a value codec's Effect", () => {
  const decodingOr = (bad: Effect.Effect<never>) =>
    Codec.makeEffect<string, never, never>({
      decode: (bytes) => (text(bytes) === "bad" ? bad : Effect.succeed(text(bytes))),
      encode: (value) => Effect.succeed(Buffer.from(value))
    })

  /** A codec as somebody makes it by hand, by no constructor of ours. */
  const byHand = (bad: (bytes: Uint8Array) => Effect.Effect<string, never>): Codec.Codec<string> => ({
    ...decodingOr(Effect.never),
    decode: (bytes: Uint8Array) => (text(bytes) === "bad" ? bad(bytes) : Effect.succeed(text(bytes)))
  })

  const codecs: ReadonlyArray<readonly [how: string, codec: Codec.Codec<string>]> = [
    ...ends.map(([how, effect]) => [how, decodingOr(effect)] as const),
    ...ends.map(([how, effect]) => [`${how}, by hand`, byHand(() => effect)] as const),
    [
      "throws instead of giving an Effect",
      byHand(() => {
        throw new Error("boom")
      })
    ]
  ]

  for (const [how, value] of codecs) {
    it.effect(`that ${how}: this record is poison, and the table follows`, () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        const table = yield* KafkaTable.make<string, string>({ topic, value, ensureTopic: false }).pipe(on(cluster))
        cluster.append(topic, [
          { key: "a", value: "1" },
          { key: "b", value: "bad" },
          { key: "c", value: "3" }
        ])
        yield* until(() => table.unsafeSnapshot().has("c"))
        assert.deepStrictEqual(
          [...table.unsafeSnapshot()],
          [
            ["a", "1"],
            ["c", "3"]
          ]
        )
        assert.strictEqual((yield* table.stats).valueErrors, 1)
        assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      })
    )
  }

  it.effect("that throws from decodeSync what is no ParseError: poison, with a cause that can be shown", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const value = {
        ...Codec.utf8,
        decodeSync: (bytes: Buffer, start: number, end: number) => {
          const found = bytes.toString("utf8", start, end)
          if (found === "bad") throw new RangeError("boom")
          return found
        }
      } as Codec.Codec<string>
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value,
        ensureTopic: false,
        onPoison: "fail"
      }).pipe(on(cluster))
      cluster.append(topic, [{ key: "b", value: "bad" }])
      const error = yield* Effect.flip(table.failure)
      assert.strictEqual(error._tag, "KafkaPoisonRecordError")
      if (error._tag !== "KafkaPoisonRecordError") return
      assert.isTrue(isSchemaError(error.cause))
      assert.match(error.message, /^Value not decodable: .*offset 0/)
      assert.include(error.message, "a function of the codec threw RangeError")
      assert.strictEqual(Codec.explain(error.cause), "boom")
    })
  )

  it.effect("that interrupts the fiber that runs it: typed, and told to everybody", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value: byHand(() => interruptMyself),
        ensureTopic: false
      }).pipe(on(cluster))
      const waiting = yield* Effect.forkChild(Effect.flip(table.awaitPosition(never)))
      cluster.append(topic, [{ key: "b", value: "bad" }])
      const error = yield* Effect.flip(table.failure)
      assert.strictEqual(error._tag, "KafkaDefectError")
      assert.include(error.message, "interrupted")
      assert.isTrue((yield* Fiber.join(waiting)) === error)
      yield* assertEnded(table, "Defect")
    })
  )

  it.effect("that interrupts the fiber that runs it: a restart policy reads on", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      let left = 1
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value: byHand(() => (left-- > 0 ? interruptMyself : Effect.succeed("good now"))),
        ensureTopic: false,
        restart: Schedule.spaced("1 second")
      }).pipe(on(cluster))
      cluster.append(topic, [{ key: "b", value: "bad" }])
      yield* until(() => table.unsafeSnapshot().getOrUndefined("b") === "good now")
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
    })
  )

  it.effect("that does not end: closing the table does not wait for it, and is no failure", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const cluster = withTopic()
      const scope = yield* Scope.make()
      const table = yield* KafkaTable.make<string, string>({
        topic,
        value: decodingOr(Effect.never),
        ensureTopic: false
      })
        .pipe(on(cluster))
        .pipe(Scope.provide(scope), capturing(lines))
      cluster.append(topic, [{ key: "b", value: "bad" }])
      const failure = yield* Effect.forkChild(table.failure)
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      assert.isFalse(hasEnded(failure))
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("failed")),
        []
      )
    })
  )
})

describe("a restart policy", () => {
  const deletedUnder = (restart: Schedule.Schedule<unknown, LiveTable.TableFailure>) =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster, { restart })
      const waiting = yield* Effect.forkChild(Effect.exit(table.awaitPosition(never, { timeout: "1 hour" })))
      cluster.deleteTopic(topic)
      yield* until(() => hasEnded(waiting))
      const error = yield* assertEnded(table, failureOf(yield* Fiber.join(waiting)).reason)
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
      return error
    })

  const stepped = (effect: Effect.Effect<never>) => tapStep(Schedule.forever, effect)

  for (const [how, effect] of ends) {
    it.effect(`whose step ${how}: typed, and told to everybody`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const error = yield* deletedUnder(stepped(effect))
        assert.strictEqual(error._tag, "KafkaDefectError")
        assert.strictEqual((error as KafkaError.DefectError).origin, "restart")
        assert.match(error.message, /restart schedule/)
        const failures = lines.filter((line) => line.startsWith("reading failed"))
        assert.lengthOf(failures, 2)
        assert.match(failures[0], /restart policy decides.*Deleted/)
        assert.notMatch(failures[1], /restart policy decides/)
      }).pipe(capturing(lines))
    })
  }

  it.effect("that interrupts the fiber that runs it: typed, and told to everybody", () =>
    Effect.map(deletedUnder(stepped(interruptMyself)), (error) => assert.strictEqual(error._tag, "KafkaDefectError"))
  )

  it.effect("that throws while it is asked: typed, and told to everybody", () =>
    Effect.map(
      deletedUnder(
        whileInput(Schedule.forever, (): boolean => {
          throw new Error("boom")
        })
      ),
      (error) => {
        assert.strictEqual(error._tag, "KafkaDefectError")
        assert.include(error.message, "boom")
      }
    )
  )

  it.effect("that gives up at once: the failure that it was asked about", () =>
    Effect.map(deletedUnder(Schedule.recurs(0)), (error) => {
      assert.strictEqual(error._tag, "KafkaTopicError")
      assert.strictEqual(error.reason, "Deleted")
    })
  )

  it.effect("that gives up after two more: given each failure in turn, the last one is told", () => {
    const asked: Array<string> = []
    return Effect.gen(function* () {
      const policy = limited(
        tapInput(Schedule.spaced("1 second"), (error: LiveTable.TableFailure) =>
          Effect.sync(() => asked.push(error.reason))
        ),
        2
      )
      const error = yield* deletedUnder(policy)
      assert.strictEqual(error.reason, "NotFound")
      assert.deepStrictEqual(asked, ["Deleted", "NotFound", "NotFound"])
    })
  })

  it.effect("while it waits: healing, failure is silent and waits wait", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { restart: Schedule.spaced("1 hour") })
      const failure = yield* Effect.forkChild(table.failure)
      const waiting = yield* Effect.forkChild(table.awaitPosition(never, { timeout: "1 hour" }))
      cluster.deleteTopic(topic)
      yield* advance(10_000)
      const status = yield* SubscriptionRef.get(table.status)
      assert.isTrue(status._tag === "Failed" && status.healing && status.error.reason === "Deleted")
      assert.isFalse(hasEnded(failure))
      assert.isFalse(hasEnded(waiting))
    })
  )

  it.effect("is closed while it waits: no failure", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const scope = yield* Scope.make()
      const table = yield* Scope.provide(open(cluster, { restart: Schedule.spaced("1 hour") }), scope)
      const failure = yield* Effect.forkChild(table.failure)
      const waiting = yield* Effect.forkChild(Effect.flip(table.awaitPosition(never, { timeout: "1 hour" })))
      cluster.deleteTopic(topic)
      yield* advance(10_000)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "KafkaTableClosedError")
      assert.isFalse(hasEnded(failure))
    })
  )

  it.effect("does not decide about what the acquisition fails with", () =>
    Effect.gen(function* () {
      let asked = 0
      const cluster = withTopic()
      cluster.deleteTopic(topic)
      const restart = tapInput(Schedule.forever, () => Effect.sync(() => asked++))
      const error = failureOf(yield* acquiring(open(cluster, { restart }), 10_000))
      assert.strictEqual(error.reason, "NotFound")
      assert.strictEqual(asked, 0)
    })
  )

  it.effect("that is none is refused with the options", () =>
    Effect.gen(function* () {
      const error = failureOf(yield* Effect.exit(open(withTopic(), { restart: {} as never })))
      assert.strictEqual(error._tag, "KafkaInvalidOptionsError")
      assert.include(error.message, "restart")
    })
  )
})

describe("a driver's Effect", () => {
  /** What a reader calls of a client, each of which its own fibers run. */
  const calls = ["connect", "describeTopic", "ListOffsets", "Fetch"] as const

  /** The client, of which one call does something else, once. */
  const breakable = (client: KafkaClient.KafkaClient) => {
    let next: { readonly call: (typeof calls)[number]; readonly instead: Effect.Effect<never> } | undefined
    const or =
      <Args extends ReadonlyArray<unknown>, A, E, R>(
        call: (typeof calls)[number],
        real: (...args: Args) => Effect.Effect<A, E, R>
      ) =>
      (...args: Args): Effect.Effect<A, E, R> =>
        Effect.suspend(() => {
          if (next?.call !== call) return real(...args)
          const { instead } = next
          next = undefined
          return instead
        })
    const broken: KafkaClient.KafkaClient = {
      ...client,
      describeTopic: or("describeTopic", client.describeTopic),
      listOffsets: or("ListOffsets", client.listOffsets),
      connect: or("connect", (broker) =>
        Effect.map(client.connect(broker), (connection) =>
          answering(connection, { Fetch: (request, ask) => or("Fetch", ask)(request) })
        )
      )
    }
    return {
      client: broken,
      breakNext: (call: (typeof calls)[number], instead: Effect.Effect<never>) => {
        next = { call, instead }
      },
      isBroken: () => next === undefined
    }
  }

  for (const call of calls) {
    for (const [how, effect] of [...ends, ["interrupts the fiber that runs it", interruptMyself] as const]) {
      it.effect(`${call} that ${how}: the reader ends typed, and never in silence`, () =>
        Effect.gen(function* () {
          const cluster = withTopic()
          cluster.append(topic, [{ key: "a", value: "1" }])
          cluster.append(topic, [{ key: "b", value: "1" }])
          const { breakNext, client, isBroken } = breakable(yield* cluster.client)
          const table = yield* Effect.provideService(
            KafkaTable.make<string, string>({
              topic,
              value: Codec.utf8,
              ensureTopic: false,
              metadataMaxAge: "1 second"
            }),
            KafkaClient.KafkaClient,
            client
          )
          yield* settle
          breakNext(call, effect)
          // connections are opened anew, and the log's ends are asked for
          let isCut = call === "connect"
          cluster.before = (request) => {
            if (request !== "Fetch" || !isCut) return undefined
            isCut = false
            return Effect.fail(closed)
          }
          cluster.truncateTail(topic, 1)
          const failure = yield* Effect.forkChild(Effect.flip(table.failure))
          yield* until(() => hasEnded(failure))
          assert.isTrue(isBroken())
          assert.strictEqual((yield* Fiber.join(failure))._tag, "KafkaDefectError")
          yield* assertEnded(table, "Defect")
          assert.isTrue(table.unsafeSnapshot().has("a"))
        })
      )
    }
  }
})

describe("a driver's Effect that a wait runs", () => {
  for (const [how, effect] of ends) {
    it.effect(`${how}: the wait fails typed, and the table goes on`, () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        const client = yield* cluster.client
        let isBroken = false
        const table = yield* Effect.provideService(
          KafkaTable.make<string, string>({ topic, value: Codec.utf8, ensureTopic: false }),
          KafkaClient.KafkaClient,
          {
            ...client,
            describeTopic: (name) => Effect.suspend(() => (isBroken ? effect : client.describeTopic(name)))
          }
        )
        yield* settle
        isBroken = true
        assert.strictEqual((yield* Effect.flip(table.barrier()))._tag, "KafkaDefectError")
        isBroken = false
        cluster.append(topic, [{ key: "a", value: "1" }])
        yield* table.barrier()
        assert.isTrue(table.unsafeSnapshot().has("a"))
      })
    )
  }
})

describe("a logger of the user", () => {
  const throwing = loggingTo(() => {
    throw new Error("the disk is full")
  })

  it.effect("that throws ends no reader: what happens is told by other means", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [{ key: "a", value: "1" }])
      const table = yield* open(cluster, { ensureTopic: true })
      cluster.before = (request) => (request === "Fetch" ? Effect.fail(closed) : undefined)
      yield* advance(1_000)
      cluster.before = () => undefined
      cluster.append(topic, [{ key: "b", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("b"))
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
      cluster.deleteTopic(topic)
      const failure = yield* Effect.forkChild(Effect.flip(table.failure))
      yield* until(() => hasEnded(failure))
      assert.strictEqual((yield* Fiber.join(failure)).reason, "Deleted")
      yield* assertEnded(table, "Deleted")
    }).pipe(throwing)
  )
})
