/** Catalogs at random, against what the log says to somebody who goes through all of it. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { randomBytes } from "node:crypto"
import { type Catalog, EmbeddedKafka } from "../../src/index.ts"
import { candidateCodec, identityBytes, withId } from "../../src/internal/catalog/keys.ts"
import { identify } from "../../src/internal/catalog/configuration.ts"
import { test } from "../support/live.ts"
import { randomOf } from "../support/random.ts"
import { isLongRun, ofRounds } from "../support/rounds.ts"
import { contentOf, matching, shown } from "./naive.ts"
import { catalogOn, KEYS, type Part, part } from "./support.ts"

type PartCatalog = Catalog.Catalog<Part, "sku", "vendor" | "zone">

const TOPIC = "model"

const VENDORS = ["acme", "ACME", "bolt", "Cog", "cog"]
const ZONES = ["eu", "us"]

const run = (seed: number) =>
  Effect.gen(function* () {
    const random = randomOf(seed)
    const below = (n: number) => Math.floor(random() * n)
    const pick = <A>(all: ReadonlyArray<A>): A => all[below(all.length)]
    const kafka = yield* EmbeddedKafka.make()
    const settings = { metadataMaxAge: "20 millis", fetch: { maxWait: "20 millis" } } as const
    yield* kafka.createTopic(TOPIC, {
      partitions: 2,
      configs: { "cleanup.policy": "compact", "delete.retention.ms": "0" }
    })
    const acquire = Effect.gen(function* () {
      const own = yield* Scope.make()
      yield* Effect.addFinalizer(() => Scope.close(own, Exit.void))
      const catalog = yield* Scope.provide(
        Effect.flatMap(kafka.client(), (client) => catalogOn(client, TOPIC, settings)),
        own
      )
      return { catalog, close: Scope.close(own, Exit.void) }
    })
    const replicas = [yield* acquire, yield* acquire, yield* acquire]
    const held: Array<{
      readonly snapshot: Catalog.CatalogSnapshot<Part, "sku", "vendor" | "zone">
      readonly rows: ReadonlyArray<string>
    }> = []
    let stock = 0
    const made = () => part(`sku-${below(12)}`, pick(VENDORS), pick(ZONES), ++stock)
    const filterOf = (): Record<string, string> => {
      const filter: Record<string, string> = {}
      if (below(2) === 0) filter["vendor"] = pick(VENDORS)
      if (below(2) === 0) filter["zone"] = pick(ZONES)
      if (below(3) === 0) filter["rowFrom"] = `sku-${below(12)}`
      if (below(3) === 0) filter["rowTo"] = `sku-${below(12)}`
      return Object.keys(filter).length === 0 ? { zone: "eu" } : filter
    }
    const rowsOf = (catalog: PartCatalog) =>
      Array.from(catalog.table.unsafeSnapshot().entries(), (entry) => shown({ ...entry, part: entry.value })).sort()

    /** A candidate by somebody who has died after it, at the place that the partitioner says, or wherever. */
    const orphan = Effect.gen(function* () {
      const record = made()
      const identity = identify(TOPIC, KEYS, record)
      if (!("rowKey" in identity)) return assert.fail("no identity")
      const key = withId(identityBytes(identity), randomBytes(16))
      assert.deepStrictEqual(candidateCodec.decodeSync(key, 0, key.length), identity)
      const count = (yield* kafka.topics).get(TOPIC)!.partitions.length
      const records = [{ key, value: JSON.stringify(record), timestamp: Date.now() + below(20) - 10 }]
      yield* kafka.append(TOPIC, records, { partition: below(count) })
    })

    const compare = Effect.gen(function* () {
      const content = contentOf(yield* kafka.log(TOPIC))
      const right = [...content.values()].map(shown).sort()
      for (const { catalog } of replicas) {
        yield* catalog.barrier()
        assert.deepStrictEqual(rowsOf(catalog), right, `seed ${seed}`)
        assert.strictEqual(yield* catalog.size, right.length)
        const filter = filterOf()
        const found = yield* catalog.query(filter)
        const rows = found.map(({ sku, stock }) => `${sku} ${stock}`)
        assert.deepStrictEqual(
          [...rows].sort(),
          matching(content.values(), filter),
          `seed ${seed}, ${JSON.stringify(filter)}`
        )
        const skus = found.map(({ sku }) => sku)
        assert.deepStrictEqual(skus, [...skus].sort())
      }
    })

    for (let step = 0; step < 50; step++) {
      const { catalog } = pick(replicas)
      const what = below(20)
      if (what < 9) {
        // several at once, some of them of one identity
        const record = made()
        const calls = replicas.slice(0, 1 + below(3)).flatMap((each) => [
          { each, record: part(record.sku, record.vendor, record.zone, ++stock) },
          { each, record: made() }
        ])
        yield* Effect.forEach(calls, (call) => call.each.catalog.insert(call.record), { concurrency: "unbounded" })
      } else if (what < 12) {
        const filter = filterOf()
        yield* catalog.barrier()
        const content = contentOf(yield* kafka.log(TOPIC))
        assert.strictEqual(yield* catalog.delete(filter), matching(content.values(), filter).length, `seed ${seed}`)
        assert.deepStrictEqual(yield* catalog.query(filter), [], `seed ${seed}`)
      } else if (what < 15) yield* orphan
      else if (what < 17) yield* kafka.clean(TOPIC)
      else if (what === 17) {
        const count = (yield* kafka.topics).get(TOPIC)!.partitions.length
        if (count < 5 && below(3) === 0) yield* kafka.addPartitions(TOPIC, count + 1)
      } else if (what === 18) {
        const n = below(replicas.length)
        yield* replicas[n].close
        replicas[n] = yield* acquire
      } else {
        // enough comes and goes for the rows to get other slots
        const records = Array.from({ length: 1500 }, () => {
          const key = withId(
            identityBytes({ rowKey: `gone-${++stock}`, fingerprint: "00".repeat(16) }),
            randomBytes(16)
          )
          return { key, value: JSON.stringify(part(`gone-${stock}`, "none", "none")) }
        })
        yield* kafka.append(TOPIC, records, { partition: 0 })
        yield* kafka.append(
          TOPIC,
          records.map(({ key }) => ({ key, value: null })),
          { partition: 0 }
        )
      }
      if (below(4) === 0) {
        const snapshot = yield* catalog.snapshot
        const rows = Array.from(snapshot.entries.entries(), (entry) => shown({ ...entry, part: entry.value }))
        held.push({ snapshot, rows })
      }
      yield* compare
    }
    for (const { rows, snapshot } of held) {
      const now = Array.from(snapshot.entries.entries(), (entry) => shown({ ...entry, part: entry.value }))
      assert.deepStrictEqual(now, rows)
      const all = ZONES.flatMap((zone) => snapshot.query({ zone })).length
      assert.strictEqual(all + snapshot.query({ zone: "none" }).length, snapshot.size)
    }
  })

describe("catalogs at random", () => {
  for (let n = 0; n < ofRounds(3, 60); n++) {
    const seed = isLongRun ? Math.floor(Math.random() * 2 ** 31) : n
    test(`show what the log says, all of them the same: ${seed}`, () => run(seed))
  }
})
