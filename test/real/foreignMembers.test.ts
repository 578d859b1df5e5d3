/** Our members of real groups beside those of other clients: Java's KafkaConsumer, librdkafka, aiokafka. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { Codec, KafkaConsumer } from "../../src/index.ts"
import * as ForeignMembers from "../kafka/ForeignMembers.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { errorOf } from "../support/exits.ts"
import { eventually, failOnProcessWarnings, numbers, shared, test } from "../support/live.ts"
import { withClient } from "./support.ts"

failOnProcessWarnings()

const PARTITIONS = 4
const BATCH = 40

/** The session of members that are killed: so long the others wait for what those had. */
const KILLED_SESSION_MILLIS = 8_000

/** A member of a group, of whatever client. */
type Member = ForeignMembers.ForeignMember

type Begin = (options: ForeignMembers.MemberOptions) => Effect.Effect<Member, unknown, Scope.Scope>

realKafka("groups with members of other clients", { java: true, python: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      const { adminBrokers, brokers } = yield* sharedKafka
      const [admin, java, librdkafka, aiokafka] = yield* Effect.all(
        [
          JavaClient.make(adminBrokers),
          ForeignMembers.make("java", brokers),
          ForeignMembers.make("librdkafka", brokers),
          ForeignMembers.make("aiokafka", brokers)
        ],
        { concurrency: "unbounded" }
      )
      return { brokers, admin, clients: { java, librdkafka, aiokafka } }
    })
  )

  const ours: Begin = ({ assignors, group, instanceId, sessionMillis = ForeignMembers.SESSION_MILLIS, topic }) =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const scope = yield* Scope.make()
      const close = Scope.close(scope, Exit.void)
      yield* Effect.addFinalizer(() => close)
      const common = {
        group,
        subscribe: topic,
        value: Codec.utf8,
        commitInterval: 500,
        ...(instanceId === undefined ? {} : { instanceId })
      }
      const consumer = yield* KafkaConsumer.make<string>(
        assignors === "consumer"
          ? { ...common, protocol: assignors }
          : {
              ...common,
              assignor: assignors,
              sessionTimeout: sessionMillis,
              heartbeatInterval: ForeignMembers.BEAT_MILLIS
            }
      ).pipe(withClient({ brokers }), Scope.provide(scope))
      const consumed: Array<string> = []
      let failure: string | undefined
      yield* Effect.forkIn(
        consumer
          .runForEach(({ value }) => Effect.sync(() => void consumed.push(value)))
          .pipe(Effect.onExit((exit) => Effect.sync(() => void (failure = errorOf(exit)?.message)))),
        scope
      )
      const numbersOf = (all: ReadonlyArray<KafkaConsumer.TopicPartition>) => all.map(({ partition }) => partition)
      const history: Array<ReadonlyArray<number>> = []
      yield* Effect.forkIn(
        Stream.runForEach(SubscriptionRef.changes(consumer.assignment), (all) =>
          Effect.sync(() => void history.push(numbersOf(all)))
        ),
        scope
      )
      return {
        owned: Effect.map(SubscriptionRef.get(consumer.assignment), numbersOf),
        history,
        consumed,
        failure: Effect.sync(() => failure),
        close
      }
    })

  const foreign =
    (client: ForeignMembers.Client): Begin =>
    (options) =>
      Effect.flatMap(kafka, ({ clients }) => clients[client].begin(options))

  /** A topic and a group of its own, and the records that are written to it, batch by batch. */
  const begin = Effect.gen(function* () {
    const { admin } = yield* kafka
    const topic = topicName()
    yield* admin.createTopic(topic, { partitions: PARTITIONS })
    let written = 0
    const write = Effect.suspend(() => {
      const values = numbers(BATCH, written).map(String)
      written += BATCH
      return Effect.as(
        admin.produce(
          topic,
          values.map((value, i) => ({ partition: i % PARTITIONS, key: value, value }))
        ),
        values
      )
    })
    return { topic, group: topicName("group"), write }
  })

  const sorted = (all: Iterable<string>) => [...all].sort((a, b) => Number(a) - Number(b))

  /** Waits until the partitions are shared: each is owned once, and everybody has one. */
  const share = (members: ReadonlyArray<Member>) =>
    eventually(
      Effect.forEach(members, ({ owned }) => owned),
      (all) =>
        all.every((owned) => owned !== undefined && owned.length > 0) &&
        JSON.stringify(all.flatMap((owned) => owned ?? []).sort()) === JSON.stringify(numbers(PARTITIONS))
    )

  /** Waits until these values are consumed, each by one of the members, and once. */
  const consume = (members: ReadonlyArray<Member>, values: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const wanted = new Set(values)
      const consumed = Effect.sync(() =>
        members.flatMap((member) => member.consumed.filter((value) => wanted.has(value)))
      )
      yield* eventually(consumed, (all) => new Set(all).size === wanted.size)
      assert.deepStrictEqual(sorted(yield* consumed), [...values])
    })

  /** One begins, and leads; the other one comes; the first one goes. */
  const comeAndGo = (first: Begin, second: Begin, assignor: ForeignMembers.Assignor | "consumer") =>
    Effect.gen(function* () {
      const { group, topic, write } = yield* begin
      const options = { topic, group, assignors: assignor === "consumer" ? assignor : ([assignor] as const) }
      const values = yield* write
      const a = yield* first(options)
      yield* share([a])
      yield* consume([a], values)
      const b = yield* second(options)
      yield* share([a, b])
      // What the other one did, and has committed, nobody does again.
      yield* consume([a, b], values)
      yield* consume([a, b], yield* write)
      yield* a.close
      yield* share([b])
      yield* consume([a, b], yield* write)
      assert.strictEqual(a.consumed.length + b.consumed.length, 3 * BATCH, "nothing twice")
      yield* b.close
    }).pipe(Effect.scoped)

  const all = ["range", "roundrobin", "cooperative-sticky"] as const

  for (const [client, assignors] of [
    ["java", [...all, "consumer"]],
    ["librdkafka", [...all, "consumer"]],
    ["aiokafka", ["range", "roundrobin"]]
  ] as const) {
    test(`${client}: whoever leads, each partition is owned once, and what one has committed the other goes on with`, () =>
      Effect.forEach(
        assignors.flatMap((assignor) => [
          comeAndGo(ours, foreign(client), assignor),
          comeAndGo(foreign(client), ours, assignor)
        ]),
        (one) => one,
        { concurrency: 4, discard: true }
      ))
  }

  type Assignors = ForeignMembers.MemberOptions["assignors"]

  /**
   * The settings of the members of a group, where sessions are as long as this in either protocol. Static members are back
   * before the usual one is over, however busy the machine is.
   */
  const withSession = (assignors: Assignors, sessionMillis = ForeignMembers.SESSION_MILLIS) =>
    Effect.gen(function* () {
      const { admin } = yield* kafka
      const { group, topic, write } = yield* begin
      if (assignors === "consumer") {
        yield* admin.alterGroupConfigs(group, { set: { "consumer.session.timeout.ms": String(sessionMillis) } })
      }
      return { options: { topic, group, assignors, sessionMillis }, write }
    })

  /** Two static members, of which one goes and comes back: nothing moves, and what it had waits for it. */
  const awayAndBack = (staying: Begin, leaving: Begin, assignors: Assignors) =>
    Effect.gen(function* () {
      const { options, write } = yield* withSession(assignors)
      const a = yield* staying({ ...options, instanceId: "a" })
      yield* share([a])
      const b = yield* leaving({ ...options, instanceId: "b" })
      yield* share([a, b])
      yield* consume([a, b], yield* write)
      const [left, right] = [yield* a.owned, yield* b.owned]
      const moves = a.history.length
      yield* b.close
      const values = yield* write
      const again = yield* leaving({ ...options, instanceId: "b" })
      yield* share([a, again])
      yield* consume([a, b, again], values)
      yield* consume([a, b, again], yield* write)
      assert.deepStrictEqual(
        [yield* a.owned, [...((yield* again.owned) ?? [])].sort()],
        [left, [...(right ?? [])].sort()]
      )
      assert.deepStrictEqual(a.history.slice(moves), [], "who stayed kept what it had")
      assert.strictEqual(a.consumed.length + b.consumed.length + again.consumed.length, 3 * BATCH, "nothing twice")
      yield* again.close
      yield* a.close
    }).pipe(Effect.scoped)

  for (const [client, all] of [
    ["java", [["cooperative-sticky"], "consumer"]],
    ["librdkafka", [["cooperative-sticky"], "consumer"]],
    ["aiokafka", [["range"]]]
  ] as const) {
    test(`${client}: static members, ours and theirs, go and come back, and nothing moves`, () =>
      Effect.forEach(
        all.flatMap((assignors) => [
          awayAndBack(ours, foreign(client), assignors),
          awayAndBack(foreign(client), ours, assignors)
        ]),
        (one) => one,
        { concurrency: 6, discard: true }
      ))
  }

  /** A member is there, and another one comes with its instance id. */
  const sameInstance = (first: Begin, second: Begin, assignors: Assignors) =>
    Effect.gen(function* () {
      const { options, write } = yield* withSession(assignors)
      const a = yield* first({ ...options, instanceId: "the-one" })
      yield* share([a])
      const b = yield* second({ ...options, instanceId: "the-one" })
      return { a, b, write }
    })

  test("somebody else with the same instance id, in the classic protocol: who was there has failed, ours or theirs", () =>
    Effect.forEach(
      (["java", "librdkafka"] as const).flatMap((client) => [
        [ours, foreign(client)] as const,
        [foreign(client), ours] as const
      ]),
      ([first, second]) =>
        Effect.gen(function* () {
          const { a, b, write } = yield* sameInstance(first, second, ["cooperative-sticky"])
          const failure = yield* eventually(a.failure, (why) => why !== undefined)
          assert.match(failure!, /fenced/i)
          yield* share([b])
          yield* consume([b], yield* write)
        }).pipe(Effect.scoped),
      { concurrency: 4, discard: true }
    ))

  test("somebody else with the same instance id, in the consumer protocol: who comes second is refused", () =>
    Effect.forEach(
      ["java", "librdkafka"] as const,
      (client) =>
        Effect.gen(function* () {
          const { a, b, write } = yield* sameInstance(ours, foreign(client), "consumer")
          const failure = yield* eventually(b.failure, (why) => why !== undefined)
          assert.match(failure!, /unreleased|instance/i)
          yield* consume([a], yield* write)
          assert.deepStrictEqual([yield* a.failure, (yield* a.owned)?.length], [undefined, PARTITIONS])
        }).pipe(Effect.scoped),
      { concurrency: 2, discard: true }
    ))

  /** Where a value is written: they go round the partitions. */
  const placeOf = (value: string) => ({
    partition: Number(value) % PARTITIONS,
    offset: Math.floor(Number(value) / PARTITIONS)
  })

  /** A member of another client is killed: ours takes over what that had, from what that had committed on. */
  const killed = (client: ForeignMembers.Client, assignors: Assignors, instanceId?: string) =>
    Effect.gen(function* () {
      const { admin, brokers } = yield* kafka
      const { options, write } = yield* withSession(assignors, KILLED_SESSION_MILLIS)
      const others = yield* ForeignMembers.make(client, brokers)
      const theirs = yield* others.begin({ ...options, ...(instanceId === undefined ? {} : { instanceId }) })
      yield* share([theirs])
      const a = yield* ours(options)
      yield* share([theirs, a])
      const had = (yield* theirs.owned) ?? []
      yield* consume([theirs, a], yield* write)
      // Some of what it does now is committed, and some is not.
      const values = yield* write
      yield* eventually(
        Effect.sync(() => theirs.consumed),
        (all) => all.length > 0 && had.includes(placeOf(all.at(-1)!).partition) && values.includes(all.at(-1)!)
      )
      yield* others.kill
      const committed = new Map((yield* admin.groupOffsets(options.group)).map((one) => [one.partition, one.offset]))
      yield* write
      yield* share([a])
      const end = (3 * BATCH) / PARTITIONS
      for (const partition of had) {
        const from = committed.get(partition) ?? 0
        const done = yield* eventually(
          Effect.sync(() => a.consumed.map(placeOf).filter((place) => place.partition === partition)),
          (all) => all.length >= end - from
        )
        assert.deepStrictEqual(
          done.map(({ offset }) => offset),
          numbers(end - from, from),
          `partition ${partition}`
        )
      }
      yield* eventually(admin.groupOffsets(options.group), (all) => all.every(({ offset }) => offset === end))
      yield* a.close
    }).pipe(Effect.scoped)

  test("a member of another client is killed: ours goes on with what it had, and nothing that was committed is done again", () =>
    Effect.all(
      [
        killed("java", ["cooperative-sticky"], "static"),
        killed("java", "consumer"),
        killed("librdkafka", ["cooperative-sticky"]),
        killed("librdkafka", "consumer", "static"),
        killed("aiokafka", ["range"])
      ],
      { concurrency: "unbounded", discard: true }
    ))

  /** Goes through a roll of a group: each step starts one member anew, with other settings, or adds one. */
  const roll = (steps: ReadonlyArray<readonly [name: string, begin: Begin, assignors: Assignors]>) =>
    Effect.gen(function* () {
      const { group, topic, write } = yield* begin
      const members = new Map<string, Member>()
      const gone: Array<Member> = []
      let values: ReadonlyArray<string> = []
      for (const [name, start, assignors] of steps) {
        const before = members.get(name)
        if (before !== undefined) {
          yield* before.close
          gone.push(before)
        }
        members.set(name, yield* start({ topic, group, assignors }))
        const present = [...members.values()]
        yield* share(present)
        values = [...values, ...(yield* write)]
        yield* consume([...present, ...gone], values)
      }
      for (const member of members.values()) yield* member.close
    }).pipe(Effect.scoped)

  test("a running group with Java in it goes over from range to cooperative-sticky, member by member", () =>
    roll([
      ["ours", ours, ["range"]],
      ["theirs", foreign("java"), ["range"]],
      ["theirs", foreign("java"), ["cooperative-sticky", "range"]],
      ["ours", ours, ["cooperative-sticky", "range"]],
      ["theirs", foreign("java"), ["cooperative-sticky"]],
      ["ours", ours, ["cooperative-sticky"]]
    ]))

  test("a list of both is of use beside who has but one of them: librdkafka, with either", () =>
    Effect.forEach(
      ["range", "cooperative-sticky"] as const,
      (one) =>
        roll([
          ["theirs", foreign("librdkafka"), [one]],
          ["ours", ours, ["cooperative-sticky", "range"]],
          ["theirs", foreign("librdkafka"), [one]]
        ]),
      { concurrency: 2, discard: true }
    ))

  test("a running group with Java in it goes over to the consumer protocol, and back", () =>
    Effect.forEach(
      [
        roll([
          ["ours", ours, ["cooperative-sticky"]],
          ["theirs", foreign("java"), "consumer"],
          ["ours", ours, "consumer"],
          ["theirs", foreign("java"), ["cooperative-sticky"]],
          ["ours", ours, ["cooperative-sticky"]]
        ]),
        roll([
          ["theirs", foreign("java"), ["cooperative-sticky"]],
          ["ours", ours, "consumer"],
          ["theirs", foreign("java"), "consumer"],
          ["ours", ours, ["cooperative-sticky"]],
          ["theirs", foreign("java"), ["cooperative-sticky"]]
        ])
      ],
      (one) => one,
      { concurrency: 2, discard: true }
    ))
})
