/** What comes of writes that meet each other, or their own earlier attempts. More of it is in the contract. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Catalog, Codec, KafkaClient, LiveTable } from "../../src/index.ts"
import { identityIn } from "../../src/internal/catalog/keys.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { collect, eventually, numbers, test } from "../support/live.ts"
import { interruptedAnywhere } from "../support/interrupting.ts"
import { candidate, catalogOn, heldUp, inOwnTime, part, Part, stocks, withKafka } from "./support.ts"

describe("inserts", () => {
  inOwnTime(
    "an unknown outcome that came second: who inserts it again gets the first one, and leaves nothing of its own",
    () =>
      withKafka((kafka, client) =>
        Effect.gen(function* () {
          const quick = { deliveryTimeout: "1500 millis", requestTimeout: "300 millis" } as const
          const own = yield* kafka.client({ clientId: "slow", requestTimeout: "300 millis" })
          const slow = yield* catalogOn(own, "t", quick)
          const other = yield* catalogOn(yield* client, "t")
          yield* other.insert(part("x", "ACME", "eu"))
          yield* slow.barrier()
          yield* Effect.scoped(
            Effect.gen(function* () {
              const [arrived, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
              let requests = 0
              // what it sends first is in the log, and never answered
              yield* kafka.intercept("Produce", (call, answer) => {
                if (call.clientId !== "slow") return answer
                if (++requests > 1) return Effect.never
                const applied = Effect.andThen(Deferred.await(gate), answer)
                return Deferred.succeed(arrived, undefined).pipe(Effect.andThen(applied), Effect.andThen(Effect.never))
              })
              const inserted = yield* Effect.forkChild(Effect.flip(slow.insert(part("a", "ACME", "eu", 1))))
              yield* Deferred.await(arrived)
              yield* other.insert(part("a", "ACME", "eu", 2))
              yield* Deferred.succeed(gate, undefined)
              const error = yield* asTimeGoesOn(Fiber.join(inserted))
              assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "UnknownOutcome" })
            })
          )
          assert.strictEqual((yield* asTimeGoesOn(slow.insert(part("a", "ACME", "eu", 3)))).stock, 2)
          const log = yield* kafka.log("t")
          const [second, tombstone] = log.slice(-2)
          assert.include(Buffer.from(second.value!).toString(), `"stock":1`)
          assert.deepStrictEqual([tombstone.key, tombstone.value], [second.key, null])
        })
      )
  )

  test("interrupted at any of their steps: each goes on, or was never begun, and none is in the way of the next one", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        let n = 0
        yield* interruptedAnywhere(
          () => parts.insert(part(`sku-${++n}`, "ACME", "eu", 1)),
          () => Effect.void
        )
        assert.isAbove(n, 100)
        const all = yield* Effect.forEach(numbers(n, 1), (i) => parts.insert(part(`sku-${i}`, "ACME", "eu", 2)), {
          concurrency: "unbounded"
        })
        const begun = stocks(all).filter((stock) => stock === 1).length
        assert.isTrue(begun > 0 && begun < n, `${begun} of ${n}`)
        // each identity was written once
        const identities = (yield* kafka.log("t")).map(({ key }) => identityIn(Buffer.from(key!)).toString("latin1"))
        assert.strictEqual(new Set(identities).size, identities.length)
      })
    ))
})

describe("deletes", () => {
  /** A catalog with one record, and a candidate of it by somebody who has died. */
  const withOrphan = (own: KafkaClient.KafkaClient, settings: Catalog.CatalogSettings = {}) =>
    // a batch for each tombstone, so that readers may have one and not the other
    catalogOn(own, "t", { maxBatchBytes: 1, ...settings })

  test("nobody sees what has never counted, not even between two tombstones", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const one = yield* withOrphan(yield* client)
        const settings = { fetch: { maxPartitionBytes: 1, maxBytes: 1 } } as const
        const reader = yield* catalogOn(yield* client, "t", settings)
        yield* one.insert(part("a", "ACME", "eu", 1))
        yield* kafka.append(
          "t",
          [2, 3].map((stock) => candidate(part("a", "ACME", "eu", stock)))
        )
        yield* reader.barrier()
        const { changes } = yield* reader.table.subscribe({ strategy: LiveTable.backPressure(100) })
        const seen = yield* collect(changes)
        assert.strictEqual(yield* one.delete({ sku: "a" }), 1)
        yield* reader.barrier()
        yield* one.insert(part("b", "ACME", "eu", 4))
        yield* eventually(
          Effect.sync(() => seen.length),
          (length) => length >= 2
        )
        assert.deepStrictEqual(
          seen.map((change) => `${change._tag} ${change.key.rowKey}`),
          ["Delete a", "Upsert b"]
        )
      })
    ))

  test("interrupted between two tombstones: the record is what it was, and may be deleted again", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const one = yield* Scope.provide(
          Effect.flatMap(kafka.client({ clientId: "one" }), (own) => withOrphan(own, { closeTimeout: "50 millis" })),
          scope
        )
        yield* one.insert(part("a", "ACME", "eu", 1))
        yield* kafka.append("t", [candidate(part("a", "ACME", "eu", 2))])
        const { arrived, gate } = yield* heldUp(kafka, "one", 1)
        const fiber = yield* Effect.forkChild(one.delete({ sku: "a" }))
        yield* Deferred.await(arrived)
        yield* Deferred.succeed(gate, undefined)
        yield* eventually(kafka.log("t"), (log) => log.at(-1)?.value === null)
        yield* Fiber.interrupt(fiber)
        yield* Scope.close(scope, Exit.void)
        const fresh = yield* catalogOn(yield* client, "t")
        assert.deepStrictEqual(stocks(yield* fresh.query({ sku: "a" })), [1])
        assert.strictEqual(yield* fresh.delete({ sku: "a" }), 1)
        assert.strictEqual(yield* (yield* catalogOn(yield* client, "t")).size, 0)
      })
    ))

  test("by a catalog of other keys than those that the log was locked to meanwhile: refused, and nothing is deleted", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const keys = { rowKey: "sku", indexKeys: ["vendor"] } as const
        const late = yield* Catalog.make(keys, { topic: "t", value: Codec.json(Part) }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, yield* client)
        )
        const first = yield* catalogOn(yield* client, "t")
        yield* first.insert(part("a", "ACME", "eu"))
        const log = yield* kafka.log("t")
        const error = yield* Effect.flip(late.delete({ vendor: "acme" }))
        assert.deepInclude(error, { _tag: "KafkaCatalogLockedError", configured: keys })
        assert.deepStrictEqual(yield* kafka.log("t"), log)
        assert.strictEqual(yield* first.delete({ vendor: "acme" }), 1)
      })
    ))
})
