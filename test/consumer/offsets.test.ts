/** Where a group goes on: offsets that it has not touched for long, that have expired, and that it never had. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { facts, recordLogs } from "../support/live.ts"
import {
  acquire,
  adjust,
  append,
  cluster,
  it,
  type Member,
  offsetsOf,
  open,
  type Options,
  protocols,
  tagsOf,
  topic,
  viewOf
} from "./onEmbedded.ts"

const RETENTION_HOURS = 2

/** Little happens in a long time: few heartbeats, few fetches. */
const rarely = {
  kafka: {
    topics: { [topic]: { partitions: 2, configs: { "cleanup.policy": "delete" } } },
    groups: {
      offsetsRetention: `${RETENTION_HOURS} hours`,
      sessionTimeout: "6 minutes",
      heartbeatInterval: "1 minute"
    }
  },
  options: (protocol: (typeof protocols)[number]): Options => ({
    protocol,
    fetch: { maxWait: "5 minutes" },
    ...(protocol === "classic" ? { sessionTimeout: "6 minutes", heartbeatInterval: "1 minute" } : {})
  })
} as const

const doneBy = (...members: ReadonlyArray<Member>) => members.flatMap(({ done }) => done).sort()

for (const protocol of protocols) {
  const options = rarely.options(protocol)

  describe(`offsets that stay as they are for longer than they are kept: ${protocol}`, () => {
    it.effect("are there while members are, for who takes a partition over, too", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster(rarely.kafka)
        yield* append(kafka, ["a", "b"], 0)
        yield* append(kafka, ["c"], 1)
        const first = yield* open(kafka, "first", options)
        yield* adjust("1 minute")
        assert.deepStrictEqual(doneBy(first), ["a", "b", "c"])
        yield* adjust(`${2 * RETENTION_HOURS} hours`)
        yield* kafka.expireOffsets("g")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [
          [0, 2],
          [1, 1]
        ])
        const second = yield* open(kafka, "second", options)
        yield* adjust("5 minutes")
        assert.deepStrictEqual([(yield* first.owned).length, (yield* second.owned).length], [1, 1])
        yield* append(kafka, ["d"], 0)
        yield* append(kafka, ["e"], 1)
        yield* adjust("1 minute")
        assert.deepStrictEqual(doneBy(first, second), ["a", "b", "c", "d", "e"])
        yield* first.close
        yield* adjust("5 minutes")
        yield* append(kafka, ["f"], 0)
        yield* append(kafka, ["g"], 1)
        yield* adjust("1 minute")
        assert.deepStrictEqual(doneBy(first, second), ["a", "b", "c", "d", "e", "f", "g"], "nothing twice")
        assert.notInclude([...tagsOf(first), ...tagsOf(second)], "OffsetsMissing")
      })
    )

    for (const [how, commitInterval] of [
      ["closed", "5 seconds"],
      ["closed", "manual"],
      ["killed", "5 seconds"]
    ] as const) {
      it.effect(`are there after its only member was ${how}, commits ${commitInterval}, and came back soon`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster(rarely.kafka)
          yield* append(kafka, ["a"], 0)
          yield* append(kafka, ["b"], 1)
          const first = yield* open(kafka, "first", { ...options, commitInterval })
          yield* first.consumer.commit()
          yield* adjust(`${2 * RETENTION_HOURS} hours`)
          yield* how === "closed" ? first.close : first.kill
          yield* adjust("30 minutes")
          assert.deepStrictEqual((yield* viewOf(kafka))?.members, [])
          yield* append(kafka, ["c"], 0)
          yield* append(kafka, ["d"], 1)
          const second = yield* open(kafka, "second", options)
          yield* adjust("1 minute")
          assert.deepStrictEqual([...second.done].sort(), ["c", "d"])
        })
      )
    }

    it.effect("are there where members live for a minute, and come again after an hour", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster(rarely.kafka)
        yield* append(kafka, ["a", "b"])
        const done: Array<string> = []
        for (let hour = 0; hour < 3 * RETENTION_HOURS; hour++) {
          const member = yield* open(kafka, `member ${hour}`, { ...options, commitInterval: "manual" })
          yield* adjust("1 minute")
          yield* member.close
          done.push(...member.done)
          yield* adjust("1 hour")
        }
        assert.deepStrictEqual(done, ["a", "b"])
      })
    )

    it.effect("are committed again no more than once an hour", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster(rarely.kafka)
        yield* append(kafka, ["a"], 0)
        yield* append(kafka, ["b"], 1)
        yield* open(kafka, "first", options)
        yield* adjust("1 minute")
        const before = (yield* kafka.commits("g")).length
        yield* adjust("4 hours")
        const again = (yield* kafka.commits("g")).slice(before)
        assert.strictEqual(again.length, protocol === "consumer" ? 2 * 4 : 0)
        assert.isTrue(again.every(({ errorCode, offset }) => errorCode === 0 && offset === 1))
      })
    )
  })

  describe(`a group that nobody was in for longer than its offsets are kept: ${protocol}`, () => {
    /** Its offsets have expired, and records have come since. */
    const expired = Effect.gen(function* () {
      const kafka = yield* cluster(rarely.kafka)
      yield* append(kafka, ["a", "b"])
      const first = yield* open(kafka, "first", options)
      yield* adjust("1 minute")
      yield* first.close
      assert.deepStrictEqual(first.done, ["a", "b"])
      yield* adjust(`${RETENTION_HOURS + 1} hours`)
      assert.isUndefined(yield* viewOf(kafka))
      yield* append(kafka, ["c"])
      return kafka
    })

    for (const [from, edge, before] of [
      ["earliest", "beginning", ["a", "b", "c"]],
      ["latest", "end", []]
    ] as const) {
      it.effect(`begins by "from": ${from}, and tells so`, () =>
        Effect.gen(function* () {
          const kafka = yield* expired
          const lines: Array<string> = []
          const second = yield* open(kafka, "second", { ...options, from }).pipe(recordLogs(lines))
          yield* append(kafka, ["d"])
          yield* adjust("1 minute")
          assert.deepStrictEqual(second.done, [...before, "d"])
          const told = lines.filter((line) => line.includes("the group has no offset of 2 partitions"))
          assert.strictEqual(told.length, 1)
          assert.include(told[0], `they are read from their ${edge} on`)
          assert.include(told[0], `topic=${topic}`)
        })
      )
    }

    it.effect('begins not at all, where "from" says so: typed', () =>
      Effect.gen(function* () {
        const kafka = yield* expired
        const error = yield* Effect.flip(asTimeGoesOn(acquire(kafka, "second", { ...options, from: "fail" })))
        assert.deepInclude(facts(error), { _tag: "KafkaGroupError", reason: "NoOffset", group: "g", topic })
      })
    )
  })

  describe(`a place that the group did not have: ${protocol}`, () => {
    for (const commitInterval of ["5 seconds", "manual"] as const) {
      it.effect(`is committed at once, commits ${commitInterval}: nothing that comes then is skipped by the next`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, ["a", "b"])
          const first = yield* open(kafka, "first", { protocol, from: "latest", commitInterval })
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 2]])
          yield* first.kill
          yield* append(kafka, ["c", "d"])
          yield* adjust("1 minute")
          const second = yield* open(kafka, "second", { protocol, from: "latest" })
          yield* adjust("1 minute")
          assert.deepStrictEqual(second.done, ["c", "d"])
        })
      )
    }

    it.effect("as the log does not hold its own any more, is committed at once", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, ["a", "b", "c", "d"])
        const first = yield* open(
          kafka,
          "first",
          { protocol },
          { work: ({ offset }) => (offset > 0 ? Effect.never : Effect.void) }
        )
        yield* adjust("10 seconds")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 1]])
        yield* first.kill
        yield* adjust("1 minute")
        yield* kafka.deleteRecords(topic, 0, 3)
        yield* open(kafka, "second", { protocol }, { work: () => Effect.never })
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 3]])
      })
    )

    it.effect("of a partition that came later is its beginning, which is told", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const first = yield* open(kafka, "first", { protocol, from: "latest", metadataMaxAge: 1_000 })
        yield* kafka.addPartitions(topic, 2)
        yield* append(kafka, ["a"], 1)
        yield* adjust("10 seconds")
        assert.deepStrictEqual(first.done, ["a"])
        assert.deepInclude(first.events, { _tag: "OffsetsMissing", topic, partition: 1, offset: 0 })
      })
    )
  })
}
