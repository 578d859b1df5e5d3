/** Many members on many partitions, and members that come and go all the time. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { numbers } from "../support/live.ts"
import { randomOf } from "../support/random.ts"
import {
  adjust,
  append,
  begin,
  cluster,
  group,
  it,
  type Member,
  protocols,
  tagsOf,
  topic,
  viewOf
} from "./onEmbedded.ts"

const MEMBERS = 30
const PARTITIONS = 300

const sortedNumbers = (all: Iterable<string>) => [...all].map(Number).sort((a, b) => a - b)

for (const protocol of protocols) {
  describe(`a group of many: ${protocol}`, () => {
    it.effect(`${MEMBERS} members share ${PARTITIONS} partitions evenly, and so do those that are left of them`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: { [topic]: { partitions: PARTITIONS } } })
        const write = (from: number) =>
          Effect.forEach(numbers(PARTITIONS), (partition) => append(kafka, [from + partition], partition), {
            discard: true
          })
        const options = { protocol, fetch: { maxWait: 10_000 } } as const
        const beginning = yield* Effect.forEach(numbers(MEMBERS), (i) =>
          Effect.forkScoped(begin(kafka, `member ${i}`, options))
        )
        yield* adjust("1 minute")
        const members = yield* Effect.forEach(beginning, Fiber.join)
        const counts = (of: ReadonlyArray<Member>) =>
          Effect.forEach(of, ({ owned }) => Effect.map(owned, ({ length }) => length))
        assert.deepStrictEqual([...new Set(yield* counts(members))], [PARTITIONS / MEMBERS])
        yield* write(0)
        yield* adjust("20 seconds")
        const [gone, left] = [members.slice(0, MEMBERS / 2), members.slice(MEMBERS / 2)]
        const leaving = yield* Effect.forEach(gone, ({ leave }) => Effect.forkScoped(leave))
        yield* adjust("1 minute")
        assert.isTrue(leaving.every(hasEnded))
        assert.deepStrictEqual([...new Set(yield* counts(left))], [(2 * PARTITIONS) / MEMBERS])
        yield* write(PARTITIONS)
        yield* adjust("20 seconds")
        assert.deepStrictEqual(
          sortedNumbers(members.flatMap(({ done }) => done)),
          numbers(2 * PARTITIONS),
          "each record once"
        )
        assert.strictEqual((yield* viewOf(kafka))?.members.length, MEMBERS / 2)
        assert.notInclude(members.flatMap(tagsOf), "Lost")
      })
    )

    it.effect("200 come and go in two minutes, in good order: each record is done once", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({
          topics: { [topic]: { partitions: 8 } },
          groups: { heartbeatInterval: "500 millis" }
        })
        const random = randomOf(7)
        const options = {
          protocol,
          ...(protocol === "classic" ? { heartbeatInterval: 500 } : {})
        }
        const members: Array<Fiber.Fiber<Member, unknown>> = []
        const present: Array<Member> = []
        const all: Array<Member> = []
        const leaving: Array<Fiber.Fiber<void>> = []
        let written = 0
        for (let i = 0; i < 200; i++) {
          for (const fiber of members.splice(0)) {
            if (!hasEnded(fiber)) members.push(fiber)
            else {
              const member = yield* Fiber.join(fiber)
              present.push(member)
              all.push(member)
            }
          }
          const isComing = present.length + members.length < 2 || (present.length < 6 && random() < 0.5)
          if (isComing) members.push(yield* Effect.forkScoped(begin(kafka, `member ${i}`, options)))
          else if (present.length > 1) {
            const [member] = present.splice(Math.floor(random() * present.length), 1)
            leaving.push(yield* Effect.forkScoped(member.leave))
          }
          yield* append(kafka, [written++], i % 8)
          yield* adjust(600)
        }
        yield* adjust("1 minute")
        for (const fiber of members) all.push(yield* Fiber.join(fiber))
        assert.isTrue(leaving.every(hasEnded))
        assert.isAbove(leaving.length, 50)
        assert.deepStrictEqual(sortedNumbers(all.flatMap(({ done }) => done)), numbers(written))
        assert.notInclude(all.flatMap(tagsOf), "Lost")
        const view = yield* viewOf(kafka)
        assert.deepInclude(view, { group, state: "Stable" })
        assert.deepStrictEqual(
          view?.offsets.map(({ lag }) => lag),
          numbers(8).map(() => 0)
        )
      })
    )
  })
}
