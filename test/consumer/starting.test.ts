/** What a consumer makes of answers about its group's offsets: only one that says that there is none counts as that. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { facts } from "../support/live.ts"
import { acquire, adjust, append, cluster, group, it, open, type Options, protocols, topic } from "./onEmbedded.ts"

/** A topic with five records, of which the group has done three. A consumer that resets would begin at the end. */
const begun = (options: Options) =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    yield* append(kafka, [0, 1, 2, 3, 4])
    const first = yield* open(
      kafka,
      "first",
      { ...options, from: "earliest" },
      {
        work: ({ offset }) => (offset < 3 ? Effect.void : Effect.never)
      }
    )
    yield* adjust("10 seconds")
    assert.deepStrictEqual(first.done, ["0", "1", "2"])
    yield* first.kill
    yield* adjust("2 minutes")
    return kafka
  })

const inBoth = [-1, 14, 15, 16, 88] as const

/** Codes that one of the protocols has for who asks. */
const codesOf = { classic: inBoth, consumer: [...inBoth, 25, 69, 110, 113] } as const

for (const protocol of protocols) {
  const options: Options = { protocol, from: "latest" }

  describe(`an answer about committed offsets: ${protocol}`, () => {
    for (const code of codesOf[protocol]) {
      it.effect(`code ${code}: is asked for again, and where the group is it goes on`, () =>
        Effect.gen(function* () {
          const kafka = yield* begun(options)
          const { hits } = yield* kafka.inject({ _tag: "ErrorCode", code }, { request: "OffsetFetch", times: 2 })
          const second = yield* open(kafka, "second", options)
          // Who is not a member any more waits for a session before it has the partition again.
          yield* adjust("3 minutes")
          assert.deepStrictEqual([yield* hits, second.done], [2, ["3", "4"]])
          assert.deepInclude(yield* second.health, { _tag: "Steady" })
        })
      )
    }

    it.effect("that is lost: is asked for again", () =>
      Effect.gen(function* () {
        const kafka = yield* begun(options)
        const fault = { _tag: "Disconnect", applied: true } as const
        const { hits } = yield* kafka.inject(fault, { request: "OffsetFetch", times: 3 })
        const second = yield* open(kafka, "second", options)
        yield* adjust("1 minute")
        assert.deepStrictEqual([yield* hits, second.done], [3, ["3", "4"]])
      })
    )

    it.effect("in which the partition is missing: that is not `none`, and is asked for again", () =>
      Effect.gen(function* () {
        const kafka = yield* begun(options)
        let asked = 0
        yield* kafka.intercept("OffsetFetch", (_, answer) =>
          Effect.map(answer, (whole) => (asked++ < 2 ? { ...whole, partitions: [] } : whole))
        )
        const second = yield* open(kafka, "second", options)
        yield* adjust("1 minute")
        assert.deepStrictEqual([asked, second.done], [3, ["3", "4"]])
      })
    )

    it.effect("code 30: the right is waited for, slowly, which health tells", () =>
      Effect.gen(function* () {
        const kafka = yield* begun(options)
        const denied = yield* Scope.make()
        const { hits } = yield* Scope.provide(
          kafka.inject({ _tag: "ErrorCode", code: 30 }, { request: "OffsetFetch" }),
          denied
        )
        const second = yield* open(kafka, "second", { ...options, startTimeout: 1_000, deniedRetryInterval: 10_000 })
        const before = yield* hits
        yield* adjust("20 seconds")
        assert.strictEqual(yield* hits, before + 2)
        const health = yield* second.health
        assert.strictEqual(health._tag, "Unavailable")
        if (health._tag === "Unavailable") assert.deepInclude(facts(health.error), { reason: "Unauthorized", group })
        yield* Scope.close(denied, Exit.void)
        yield* adjust("10 seconds")
        assert.deepStrictEqual(second.done, ["3", "4"])
        assert.deepInclude(yield* second.health, { _tag: "Steady" })
      })
    )

    it.effect("code 24: fails it, typed", () =>
      Effect.gen(function* () {
        const kafka = yield* begun(options)
        yield* kafka.inject({ _tag: "ErrorCode", code: 24 }, { request: "OffsetFetch" })
        const error = yield* Effect.flip(asTimeGoesOn(acquire(kafka, "second", options)))
        assert.deepInclude(facts(error), { _tag: "KafkaGroupError", reason: "Rejected", group })
      })
    )

    for (const code of [29, 88] as const) {
      it.effect(`code ${code} of one topic holds up no other one`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster({ topics: { [topic]: { partitions: 3 }, other: { partitions: 3 } } })
          for (const to of [topic, "other"]) yield* append(kafka, [to], 0, to)
          const denied = yield* Scope.make()
          yield* Scope.provide(kafka.inject({ _tag: "ErrorCode", code }, { request: "OffsetFetch", topic }), denied)
          const both = {
            protocol,
            subscribe: [topic, "other"],
            startTimeout: 100,
            deniedRetryInterval: 60_000
          } as const
          const member = yield* open(kafka, "first", both)
          yield* adjust("1 second")
          assert.deepStrictEqual(member.done, ["other"])
          yield* Scope.close(denied, Exit.void)
          yield* adjust("1 minute")
          assert.deepStrictEqual(member.done, ["other", topic])
        })
      )
    }
  })
}
