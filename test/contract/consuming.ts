/** Consumer groups: who gets which records, what is committed, and what becomes of what is not done. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { Codec, KafkaConsumer } from "../../src/index.ts"
import { eventually, facts, numbers, sooner } from "../support/live.ts"
import { newName, type Kafka, type Suite } from "./suite.ts"

/** Not compacted. Nothing of it is deleted either, however old its records say that they are. */
const deleted = { configs: { "cleanup.policy": "delete", "retention.ms": "-1" } }

type Options = Partial<KafkaConsumer.ConsumerOptions<string, string>> & { readonly subscribe: string }

/** A consumer of texts, with a client of its own. */
const consumerOn = (kafka: Kafka, options: Options) =>
  kafka.withClient(KafkaConsumer.make<string>({ group: newName(), value: Codec.utf8, ...options }))

/** The same within a scope of its own, and how to close it. */
const closeable = (kafka: Kafka, options: Options) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const consumer = yield* Scope.provide(consumerOn(kafka, options), scope)
    return { consumer, close: Scope.close(scope, Exit.void) }
  })

const append = (kafka: Kafka, topic: string, count: number, from = 0) =>
  kafka.append(
    topic,
    numbers(count).map((i) => ({ key: `k${(from + i) % 10}`, value: `${from + i}` }))
  )

/** Takes records and marks them as done, until it has so many. */
const take = (consumer: KafkaConsumer.KafkaConsumer<string, string>, count: number) =>
  consumer.records.pipe(
    Stream.take(count),
    Stream.tap((record) => Effect.sync(record.done)),
    Stream.map(({ value }) => Number(value)),
    Stream.runCollect,
    Effect.map((all) => [...all])
  )

/** Waits until what is asserted holds. */
const holds = <A, E, R>(check: Effect.Effect<A, E, R>) => eventually(Effect.exit(check), Exit.isSuccess)

const holdsSooner = <A, E, R>(check: Effect.Effect<A, E, R>) => sooner(Effect.exit(check), Exit.isSuccess)

const sorted = (all: Iterable<number>) => [...all].sort((a, b) => a - b)

const ownedBy = (consumer: KafkaConsumer.KafkaConsumer<string, string>) =>
  Effect.map(SubscriptionRef.get(consumer.assignment), (all) => all.map(({ partition }) => partition))

const healthOf = (consumer: KafkaConsumer.KafkaConsumer<string, string>) => SubscriptionRef.get(consumer.health)

/** Works on records beside the test, and notes each one. */
const working = (consumer: KafkaConsumer.KafkaConsumer<string, string>, seen: Array<number>) =>
  Effect.forkScoped(
    consumer.runForEach((record) => Effect.sync(() => void seen.push(Number(record.value))), { concurrency: 4 })
  )

export const consuming = (test: Suite): void => {
  test("each record once, in the order of its partition; another run of the group begins after what is done", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3, ...deleted })
      const group = newName()
      yield* append(kafka, topic, 300)
      const first = yield* closeable(kafka, { subscribe: topic, group })
      const seen = new Map<number, Array<number>>()
      yield* first.consumer.records.pipe(
        Stream.take(200),
        Stream.runForEach((record) =>
          Effect.sync(() => {
            seen.set(record.partition, [...(seen.get(record.partition) ?? []), record.offset])
            record.done()
          })
        )
      )
      for (const offsets of seen.values()) assert.deepStrictEqual(offsets, numbers(offsets.length))
      yield* first.close
      const second = yield* consumerOn(kafka, { subscribe: topic, group })
      const left = yield* take(second, 100)
      assert.strictEqual(new Set(left).size, 100)
      const done = [...seen].flatMap(([partition, offsets]) => offsets.map((offset) => `${partition}:${offset}`))
      assert.strictEqual(new Set(done).size, 200)
    }))

  test("two members share the partitions; one that goes gives them back, and nothing is done twice", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 4, ...deleted })
      const group = newName()
      const options = { subscribe: topic, group, heartbeatInterval: 200 } as const
      const [a, b]: [Array<number>, Array<number>] = [[], []]
      const first = yield* closeable(kafka, options)
      yield* working(first.consumer, a)
      yield* append(kafka, topic, 100)
      yield* holds(Effect.sync(() => assert.strictEqual(a.length, 100)))
      const second = yield* closeable(kafka, options)
      yield* working(second.consumer, b)
      yield* holds(
        Effect.gen(function* () {
          const [ours, theirs] = [yield* ownedBy(first.consumer), yield* ownedBy(second.consumer)]
          assert.deepStrictEqual([ours.length, theirs.length], [2, 2])
          assert.deepStrictEqual(sorted([...ours, ...theirs]), [0, 1, 2, 3])
        })
      )
      yield* append(kafka, topic, 100, 100)
      yield* holds(Effect.sync(() => assert.strictEqual(a.length + b.length, 200)))
      assert.isAbove(b.length, 0)
      yield* first.close
      yield* holds(Effect.map(ownedBy(second.consumer), (all) => assert.strictEqual(all.length, 4)))
      yield* append(kafka, topic, 100, 200)
      yield* holds(Effect.sync(() => assert.strictEqual(a.length + b.length, 300)))
      assert.deepStrictEqual(sorted([...a, ...b]), numbers(300))
    }))

  test("records of one key are worked on one after the other, others beside them", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2, ...deleted })
      yield* append(kafka, topic, 400)
      const consumer = yield* consumerOn(kafka, { subscribe: topic })
      const running = new Set<string>()
      const last = new Map<string, number>()
      let [most, done] = [0, 0]
      const all = yield* Effect.forkScoped(
        consumer.runForEach(
          ({ key, value }) =>
            Effect.gen(function* () {
              assert.isFalse(running.has(key!), `${key} is worked on twice at a time`)
              running.add(key!)
              most = Math.max(most, running.size)
              yield* Effect.yieldNow
              assert.isAbove(Number(value), last.get(key!) ?? -1)
              last.set(key!, Number(value))
              running.delete(key!)
              done++
            }),
          { concurrency: 8 }
        )
      )
      yield* holds(Effect.sync(() => assert.strictEqual(done, 400)))
      assert.isAbove(most, 1)
      yield* consumer.drain
      yield* Fiber.join(all)
    }))

  test("interrupted to finish: what is under way, and what lies between, is finished and committed, and nothing is done twice", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2, ...deleted })
      const group = newName()
      yield* append(kafka, topic, 100)
      const { close, consumer } = yield* closeable(kafka, { subscribe: topic, group })
      const [begun, finished]: [Array<string>, Array<string>] = [[], []]
      const held = yield* Deferred.make<void>()
      const work = yield* Effect.forkScoped(
        consumer.runForEach(
          ({ value }) =>
            Effect.gen(function* () {
              begun.push(value)
              if (begun.length >= 10) yield* Deferred.await(held)
              finished.push(value)
            }),
          { concurrency: 4, onInterrupt: "finish" }
        )
      )
      yield* holds(Effect.sync(() => assert.isAtLeast(begun.length, 12)))
      const interrupting = yield* Effect.forkScoped(Fiber.interrupt(work))
      yield* holds(Effect.map(healthOf(consumer), ({ _tag }) => assert.strictEqual(_tag, "Stopping")))
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual([...begun].sort(), [...finished].sort())
      assert.isBelow(finished.length, 100)
      yield* close
      const left = yield* take(yield* consumerOn(kafka, { subscribe: topic, group }), 100 - finished.length)
      assert.deepStrictEqual(sorted([...left, ...finished.map(Number)]), numbers(100))
    }))
  for (const how of ["is closed", "gives partitions up"] as const) {
    test(`a member that ${how} does what lies before what it has begun, so that nothing is done twice`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic(deleted)
        // With this assignor, all give up all that they have in each rebalance.
        const options = { subscribe: topic, group: newName(), assignor: "range", heartbeatInterval: 100 } as const
        const first = yield* closeable(kafka, options)
        const seen: Array<number> = []
        const [begun, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        /** Even ones wait for the first one of them, odd ones are done at once; what comes last is not begun. */
        const run = ({ runForEach }: KafkaConsumer.KafkaConsumer<string, string>) =>
          Effect.forkScoped(
            runForEach(
              ({ value }) =>
                Effect.suspend(() => {
                  seen.push(Number(value))
                  if (value !== "0") return Effect.void
                  return Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(go))
                }),
              { concurrency: 2, by: ({ value }) => Number(value) }
            )
          )
        yield* run(first.consumer)
        const values = ["0", "2", "1", "4"]
        yield* kafka.append(
          topic,
          values.map((value) => ({ key: "k", value }))
        )
        yield* Deferred.await(begun)
        yield* holds(Effect.sync(() => assert.deepStrictEqual(seen, [0, 1])))
        const closing = yield* Effect.forkScoped(how === "is closed" ? first.close : Effect.void)
        const second = yield* Effect.forkScoped(
          Effect.flatMap(closeable(kafka, options), ({ consumer }) => run(consumer))
        )
        const state = how === "is closed" ? "Stopping" : "Rebalancing"
        yield* holds(Effect.map(healthOf(first.consumer), ({ _tag }) => assert.strictEqual(_tag, state)))
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(closing)
        yield* Fiber.join(second)
        yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(seen), [0, 1, 2, 4])))
        yield* append(kafka, topic, 1, 6)
        // What was done already would have come again by now.
        yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(seen), [0, 1, 2, 4, 6])))
      }))
  }

  test("a failure ends the work with it, and nothing from its record on is ever committed", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const group = newName()
      yield* append(kafka, topic, 20)
      const first = yield* closeable(kafka, { subscribe: topic, group })
      const failure = yield* Effect.flip(
        first.consumer.runForEach(({ offset }) => (offset === 7 ? Effect.fail("no" as const) : Effect.void))
      )
      assert.strictEqual(failure, "no")
      yield* first.close
      const second = yield* closeable(kafka, { subscribe: topic, group })
      assert.deepStrictEqual(yield* take(second.consumer, 3), [7, 8, 9])
      yield* second.close
      const third = yield* consumerOn(kafka, { subscribe: topic, group })
      assert.deepStrictEqual(yield* take(third, 1), [10])
    }))

  test("what a face did not finish, the next one is handed out again; two at a time are refused", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      yield* append(kafka, topic, 10)
      const consumer = yield* consumerOn(kafka, { subscribe: topic })
      const offsets = consumer.records.pipe(
        Stream.take(4),
        Stream.tap((record) => Effect.sync(() => void (record.offset < 2 && record.done()))),
        Stream.map(({ offset }) => offset),
        Stream.runCollect
      )
      assert.deepStrictEqual([...(yield* offsets)], [0, 1, 2, 3])
      assert.deepStrictEqual([...(yield* offsets)], [2, 3, 4, 5])
      const busy = yield* consumer.records.pipe(
        Stream.take(1),
        Stream.mapEffect(() => Effect.flip(Stream.runDrain(consumer.chunks))),
        Stream.runCollect
      )
      assert.deepStrictEqual(
        [...busy].map((error) => error.reason),
        ["Busy"]
      )
    }))

  test("commit ends when all before it is committed", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      yield* append(kafka, topic, 5)
      const consumer = yield* consumerOn(kafka, { subscribe: topic, commitInterval: "manual" })
      const [first, , third] = yield* consumer.records.pipe(
        Stream.take(3),
        Stream.runCollect,
        Effect.map((all) => [...all])
      )
      const committing = yield* Effect.forkScoped(third.commit)
      yield* first.commit
      const committed = Effect.map(consumer.lag, ([lag]) => lag.committed)
      assert.strictEqual(yield* committed, 1)
      yield* Fiber.interrupt(committing)
      assert.deepInclude((yield* consumer.lag)[0], { topic, partition: 0, committed: 1, end: 5, lag: 4 })
    }))

  test("what does not decode is told, and left out; or ends the consumer before it", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      yield* kafka.append(topic, [
        { key: "a", value: "1" },
        { key: "b", value: "x" },
        { key: "c", value: null },
        { key: null, value: "4" }
      ])
      const group = newName()
      const options = { subscribe: topic, group, value: Codec.json(Schema.Number) }
      const strict = yield* kafka.withClient(KafkaConsumer.make({ ...options, group: newName(), onPoison: "fail" }))
      const seen: Array<number> = []
      const error = yield* Effect.flip(strict.runForEach(({ value }) => Effect.sync(() => void seen.push(value))))
      assert.deepInclude(error, { _tag: "KafkaPoisonRecordError", offset: 1 })
      assert.deepStrictEqual(seen, [1])
      const consumer = yield* kafka.withClient(KafkaConsumer.make(options))
      const told = yield* Effect.forkScoped(consumer.poison.pipe(Stream.take(2), Stream.runCollect))
      yield* Effect.yieldNow
      const all = yield* consumer.records.pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(
        [...all].map(({ key, value }) => [key, value]),
        [
          ["a", 1],
          [null, 4]
        ]
      )
      assert.deepStrictEqual(
        [...(yield* Fiber.join(told))].map(({ offset, reason }) => [reason, offset]),
        [
          ["Value", 1],
          ["Value", 2]
        ]
      )
    }))

  test("a key that does not decode is told as that, with its place", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      yield* kafka.append(topic, [
        { key: "1", value: "a" },
        { key: "x", value: "b" },
        { key: "3", value: "c" }
      ])
      const options = { subscribe: topic, group: newName(), key: Codec.json(Schema.Number), value: Codec.utf8 }
      const consumer = yield* kafka.withClient(KafkaConsumer.make(options))
      const told = yield* Effect.forkScoped(consumer.poison.pipe(Stream.take(1), Stream.runCollect))
      yield* Effect.yieldNow
      const all = yield* consumer.records.pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(
        [...all].map(({ key, value }) => [key, value]),
        [
          [1, "a"],
          [3, "c"]
        ]
      )
      const [error] = yield* Fiber.join(told)
      assert.deepInclude(facts(error), { reason: "Key", topic, partition: 0, offset: 1 })
    }))

  test("topics of a glob that appear later are found, with what was in them before", (kafka) =>
    Effect.gen(function* () {
      const prefix = newName()
      const consumer = yield* consumerOn(kafka, { subscribe: `${prefix}.*`, metadataMaxAge: 200, from: "latest" })
      const seen: Array<number> = []
      yield* working(consumer, seen)
      yield* kafka.createTopic(`${prefix}.a`, deleted)
      yield* append(kafka, `${prefix}.a`, 10)
      yield* holdsSooner(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(10))))
      yield* kafka.createTopic(`${prefix}.b`, deleted)
      yield* append(kafka, `${prefix}.b`, 10, 10)
      yield* holdsSooner(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(20))))
    }))

  test("a partition that is added is read from its beginning", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const consumer = yield* consumerOn(kafka, { subscribe: topic, metadataMaxAge: 200, from: "latest" })
      const seen: Array<number> = []
      yield* working(consumer, seen)
      yield* kafka.addPartitions(topic, 3)
      yield* append(kafka, topic, 30)
      yield* holdsSooner(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(30))))
    }))

  for (const protocol of ["classic", "consumer"] as const) {
    test(`a topic that is deleted, and created again later, is read from its beginning: ${protocol}`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic({ partitions: 2, ...deleted })
        const consumer = yield* consumerOn(kafka, { subscribe: topic, from: "latest", protocol })
        const seen: Array<number> = []
        yield* working(consumer, seen)
        // A coordinator hears of a new topic a moment after its leaders do, and has nothing to assign before.
        yield* holds(
          Effect.map(consumer.lag, (all) =>
            assert.deepStrictEqual(
              all.map(({ position }) => position),
              [0, 0]
            )
          )
        )
        yield* append(kafka, topic, 20)
        yield* holds(Effect.sync(() => assert.strictEqual(seen.length, 20)))
        yield* kafka.deleteTopic(topic)
        yield* holds(Effect.map(ownedBy(consumer), (owned) => assert.deepStrictEqual(owned, [])))
        yield* kafka.createTopic(topic, { partitions: 2, ...deleted })
        yield* append(kafka, topic, 10, 20)
        yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(30))))
      }))
  }

  for (const protocol of ["classic", "consumer"] as const) {
    test(`what was done of a topic that is created again is not committed for the new one: ${protocol}`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic(deleted)
        const options = { subscribe: topic, group: newName(), protocol } as const
        yield* append(kafka, topic, 20)
        const first = yield* closeable(kafka, { ...options, commitInterval: "manual" })
        const [seen, rest]: [Array<number>, Array<number>] = [[], []]
        yield* working(first.consumer, seen)
        yield* holds(Effect.sync(() => assert.strictEqual(seen.length, 20)))
        yield* kafka.deleteTopic(topic)
        yield* kafka.createTopic(topic, deleted)
        yield* append(kafka, topic, 30, 100)
        // It may have begun with the new one by now, or not know of it.
        yield* first.close
        const second = yield* consumerOn(kafka, options)
        yield* working(second, rest)
        const ofNew = () => new Set([...seen.slice(20), ...rest])
        yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(ofNew()), numbers(30, 100))))
      }))

    test(`nor is it while so much of it is kept that nothing is fetched: ${protocol}`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic(deleted)
        const group = newName()
        // Closing waits for those that are never done.
        const options = { subscribe: topic, group, protocol, maxUncommitted: 10, stopTimeout: "1 second" } as const
        const large = (count: number, from: number) =>
          kafka.appendInBatches(
            topic,
            numbers(count).map((i) => ({ key: "k", value: `${from + i}`.padEnd(100_000) })),
            5
          )
        yield* large(60, 0)
        const first = yield* closeable(kafka, { ...options, commitInterval: "manual" })
        const records: Array<KafkaConsumer.Committable<string, string>> = []
        yield* Effect.forkScoped(
          Stream.runForEach(first.consumer.records, (record) => Effect.sync(() => void records.push(record)))
        )
        yield* holds(Effect.map(healthOf(first.consumer), ({ _tag }) => assert.strictEqual(_tag, "Blocked")))
        yield* kafka.deleteTopic(topic)
        yield* kafka.createTopic(topic, deleted)
        yield* large(30, 100)
        for (const { done } of records.slice(0, 10)) done()
        yield* Effect.forkScoped(Effect.exit(first.consumer.commit()))
        // Whether it can be committed is known by then.
        yield* Effect.sleep("300 millis")
        yield* first.close
        const rest: Array<number> = []
        yield* working(yield* consumerOn(kafka, options), rest)
        yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(new Set(rest)), numbers(30, 100))))
      }))
  }

  test("a topic that a glob matches goes, the others are read on; it comes again, and is read from its beginning", (kafka) =>
    Effect.gen(function* () {
      const prefix = newName()
      const [gone, kept] = [`${prefix}.a`, `${prefix}.b`]
      for (const topic of [gone, kept]) yield* kafka.createTopic(topic, deleted)
      const consumer = yield* consumerOn(kafka, { subscribe: `${prefix}.?`, metadataMaxAge: 200, from: "latest" })
      const seen: Array<number> = []
      yield* working(consumer, seen)
      yield* append(kafka, gone, 10)
      yield* append(kafka, kept, 10, 10)
      yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(20))))
      yield* kafka.deleteTopic(gone)
      yield* append(kafka, kept, 10, 20)
      yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(30))))
      yield* holds(Effect.map(ownedBy(consumer), (owned) => assert.deepStrictEqual(owned, [0])))
      yield* kafka.createTopic(gone, deleted)
      yield* append(kafka, gone, 10, 30)
      yield* append(kafka, kept, 10, 40)
      yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(50))))
    }))

  for (const protocol of ["classic", "consumer"] as const) {
    test(`a topic that there is not yet is no error: it is read once it is there, ${protocol}`, (kafka) =>
      Effect.gen(function* () {
        const topic = newName()
        const options = { subscribe: topic, metadataMaxAge: 200, from: "latest", protocol } as const
        const consumer = yield* consumerOn(kafka, options)
        assert.deepStrictEqual(yield* ownedBy(consumer), [])
        assert.strictEqual((yield* healthOf(consumer))._tag, "Steady")
        const seen: Array<number> = []
        yield* working(consumer, seen)
        yield* kafka.createTopic(topic, deleted)
        yield* append(kafka, topic, 10)
        yield* holdsSooner(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(10))))
      }))
  }

  for (const from of ["earliest", "latest"] as const) {
    test(`a committed offset that the log has not come to is none: it begins by "from", ${from}`, (kafka) =>
      Effect.gen(function* () {
        const topic = yield* kafka.topic(deleted)
        const group = newName()
        yield* append(kafka, topic, 10)
        const offset = {
          topic: { name: topic, id: undefined },
          partition: 0,
          offset: 50,
          leaderEpoch: -1,
          metadata: undefined
        }
        const nobody = { groupId: group, memberId: "", generation: -1, instanceId: undefined }
        const client = yield* kafka.client
        yield* client.askCoordinator(group, "group", "OffsetCommit", { ...nobody, partitions: [offset] })
        const consumer = yield* consumerOn(kafka, { subscribe: topic, group, from })
        const seen: Array<number> = []
        yield* working(consumer, seen)
        const begin = from === "earliest" ? 0 : 10
        yield* holds(Effect.map(consumer.lag, ([lag]) => assert.deepInclude(lag, { position: 10, committed: 10 })))
        yield* append(kafka, topic, 5, 10)
        yield* holds(Effect.sync(() => assert.deepStrictEqual(sorted(seen), numbers(15 - begin, begin))))
      }))
  }

  test("latest begins at the end, and at that place after a restart, too", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const group = newName()
      yield* append(kafka, topic, 5)
      const first = yield* closeable(kafka, { subscribe: topic, group, from: "latest" })
      yield* holds(Effect.map(first.consumer.lag, ([lag]) => assert.deepInclude(lag, { position: 5 })))
      yield* first.close
      yield* append(kafka, topic, 5, 5)
      const second = yield* consumerOn(kafka, { subscribe: topic, group, from: "latest" })
      assert.deepStrictEqual(yield* take(second, 5), [5, 6, 7, 8, 9])
    }))

  test("a group without an offset fails a consumer that says so", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const group = newName()
      const error = yield* Effect.flip(consumerOn(kafka, { subscribe: topic, group, from: "fail" }))
      assert.deepInclude(error, { _tag: "KafkaGroupError", reason: "NoOffset", group, topic, partition: 0 })
    }))

  test("goes to an offset, and to a time", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const begun = Date.now() - 100_000
      yield* kafka.append(
        topic,
        numbers(10).map((i) => ({ key: "k", value: `${i}`, timestamp: begun + 1_000 * i }))
      )
      const consumer = yield* consumerOn(kafka, { subscribe: topic })
      assert.deepStrictEqual(yield* take(consumer, 10), numbers(10))
      yield* consumer.seek({ topic, partition: 0, offset: 8 })
      assert.deepStrictEqual(yield* take(consumer, 2), [8, 9])
      yield* consumer.seekToTime(begun + 5_500)
      assert.deepStrictEqual(yield* take(consumer, 4), [6, 7, 8, 9])
      yield* consumer.seekToTime(begun + 60_000)
      yield* append(kafka, topic, 1, 10)
      assert.deepStrictEqual(yield* take(consumer, 1), [10])
    }))

  test("a partition that is paused is not handed out, until it is resumed", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2, ...deleted })
      const consumer = yield* consumerOn(kafka, { subscribe: topic })
      yield* consumer.pause([{ topic, partition: 1 }])
      yield* append(kafka, topic, 40)
      const seen = new Set<number>()
      yield* Effect.forkScoped(consumer.runForEach(({ partition }) => Effect.sync(() => void seen.add(partition))))
      yield* holds(Effect.sync(() => assert.isTrue(seen.has(0))))
      assert.isFalse(seen.has(1))
      yield* consumer.resume([{ topic, partition: 1 }])
      yield* holds(Effect.sync(() => assert.isTrue(seen.has(1))))
    }))

  test("no more is handed out than may be unfinished, and that is told", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      yield* append(kafka, topic, 50)
      const consumer = yield* consumerOn(kafka, { subscribe: topic, maxUncommitted: 10 })
      const records: Array<KafkaConsumer.Committable<string, string>> = []
      yield* Effect.forkScoped(
        Stream.runForEach(consumer.records, (record) => Effect.sync(() => void records.push(record)))
      )
      yield* holds(
        Effect.map(healthOf(consumer), (health) =>
          assert.deepInclude(health, { _tag: "Blocked", topic, partition: 0, offset: 0 })
        )
      )
      assert.strictEqual(records.length, 10)
      for (const { done } of records.slice()) done()
      yield* holds(Effect.sync(() => assert.strictEqual(records.length, 20)))
    }))

  test("the records of each partition are a stream of their own, which ends with it", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3, ...deleted })
      yield* append(kafka, topic, 90)
      const { close, consumer } = yield* closeable(kafka, { subscribe: topic })
      const counts = new Map<number, number>()
      const all = yield* Effect.forkScoped(
        Stream.runDrain(
          Stream.mapEffect(
            consumer.partitions,
            ({ partition, records }) =>
              Stream.runForEach(records, (record) =>
                Effect.sync(() => {
                  counts.set(partition, (counts.get(partition) ?? 0) + 1)
                  record.done()
                })
              ),
            { concurrency: "unbounded" }
          )
        )
      )
      yield* holds(
        Effect.sync(() =>
          assert.strictEqual(
            [...counts.values()].reduce((sum, count) => sum + count, 0),
            90
          )
        )
      )
      yield* close
      yield* Fiber.join(all)
    }))

  test("records of transactions that were aborted do not count", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const transaction = yield* kafka.transaction()
      yield* transaction.append(topic, [{ key: "a", value: "1" }])
      yield* transaction.abort
      const other = yield* kafka.transaction()
      yield* other.append(topic, [{ key: "a", value: "2" }])
      yield* other.commit
      const { close, consumer } = yield* closeable(kafka, { subscribe: topic })
      assert.deepStrictEqual(yield* take(consumer, 1), [2])
      yield* holds(Effect.map(consumer.lag, ([lag]) => assert.strictEqual(lag.committed, lag.end)))
      yield* close
    }))

  test("a member of the consumer protocol: each record once, shared with another, and given back", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 4, ...deleted })
      const options = { subscribe: topic, group: newName(), protocol: "consumer" } as const
      const [a, b]: [Array<number>, Array<number>] = [[], []]
      const first = yield* closeable(kafka, options)
      yield* working(first.consumer, a)
      yield* append(kafka, topic, 100)
      yield* holds(Effect.sync(() => assert.strictEqual(a.length, 100)))
      const second = yield* closeable(kafka, options)
      yield* working(second.consumer, b)
      yield* holds(
        Effect.gen(function* () {
          const [ours, theirs] = [yield* ownedBy(first.consumer), yield* ownedBy(second.consumer)]
          assert.deepStrictEqual([ours.length, theirs.length], [2, 2])
        })
      )
      yield* append(kafka, topic, 100, 100)
      yield* holds(Effect.sync(() => assert.strictEqual(a.length + b.length, 200)))
      yield* first.close
      yield* holds(Effect.map(ownedBy(second.consumer), (all) => assert.strictEqual(all.length, 4)))
      yield* append(kafka, topic, 100, 200)
      yield* holds(Effect.sync(() => assert.strictEqual(a.length + b.length, 300)))
      assert.deepStrictEqual(sorted([...a, ...b]), numbers(300))
    }))

  test("a static member that comes back has its partitions at once", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2, ...deleted })
      const options = { subscribe: topic, group: newName(), instanceId: "one" } as const
      yield* append(kafka, topic, 20)
      const first = yield* closeable(kafka, options)
      assert.strictEqual((yield* take(first.consumer, 10)).length, 10)
      yield* first.close
      const second = yield* closeable(kafka, options)
      assert.strictEqual((yield* take(second.consumer, 10)).length, 10)
      yield* second.close
    }))

  test("somebody else with the same instance id takes its place, and it says so", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const options = { subscribe: topic, group: newName(), instanceId: "one", heartbeatInterval: 100 } as const
      const first = yield* closeable(kafka, options)
      const failed = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(first.consumer.records)))
      // The one that comes second takes the place, if the first one does not go on at that very moment.
      yield* Effect.exit(closeable(kafka, options))
      const error = yield* Fiber.join(failed)
      assert.deepInclude(error, { _tag: "KafkaGroupError", reason: "Fenced" })
    }))

  test("another assignor than the group's is refused, typed", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic(deleted)
      const group = newName()
      yield* consumerOn(kafka, { subscribe: topic, group, assignor: "range" })
      const error = yield* Effect.flip(consumerOn(kafka, { subscribe: topic, group, assignor: "roundrobin" }))
      assert.deepInclude(error, { _tag: "KafkaGroupError", reason: "Inconsistent", group })
      assert.include(error.message, "this member has roundrobin, and the group has range")
    }))
}
