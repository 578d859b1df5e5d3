/** Our members of real groups beside those of other clients: Java's KafkaConsumer, librdkafka, aiokafka. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import { Codec, KafkaConsumer } from "../../src/index.ts"
import * as ForeignMembers from "../kafka/ForeignMembers.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, failOnProcessWarnings, numbers, shared, test } from "../support/live.ts"
import { withClient } from "./support.ts"

failOnProcessWarnings()

const PARTITIONS = 4
const BATCH = 40

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

  const ours: Begin = ({ assignors, group, topic }) =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const scope = yield* Scope.make()
      const close = Scope.close(scope, Exit.void)
      yield* Effect.addFinalizer(() => close)
      const common = { group, subscribe: topic, value: Codec.utf8 }
      const consumer = yield* KafkaConsumer.make<string>(
        assignors === "consumer"
          ? { ...common, protocol: assignors }
          : {
              ...common,
              assignor: assignors,
              sessionTimeout: ForeignMembers.SESSION_MILLIS,
              heartbeatInterval: ForeignMembers.BEAT_MILLIS
            }
      ).pipe(withClient({ brokers }), Scope.provide(scope))
      const consumed: Array<string> = []
      yield* Effect.forkIn(
        consumer.runForEach(({ value }) => Effect.sync(() => void consumed.push(value))),
        scope
      )
      return {
        owned: Effect.map(SubscriptionRef.get(consumer.assignment), (all) => all.map(({ partition }) => partition)),
        consumed,
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

  /** Goes through a roll of a group: each step starts one member anew, with other settings, or adds one. */
  const roll = (
    steps: ReadonlyArray<readonly [name: string, begin: Begin, assignors: ForeignMembers.MemberOptions["assignors"]]>
  ) =>
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
