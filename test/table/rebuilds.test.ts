/** A partition that is replayed beside its live content, and what may come between. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Schedule, Stream } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { connectionError, type FakeCluster } from "../support/FakeCluster.ts"
import { LiveTable } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import {
  advance,
  capturing,
  fetched,
  fetchOf,
  inNoTime,
  open,
  settle,
  statusesOf,
  topic,
  turn,
  until,
  withTopic
} from "./support.ts"

/** Retention passes by a table that cannot read meanwhile: what is behind has to be replayed from `start` on. */
const fallBehind = (cluster: FakeCluster, start: number, meanwhile: () => void) =>
  Effect.gen(function* () {
    cluster.before = (request) => (request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined)
    yield* advance(600)
    meanwhile()
    cluster.truncateHead(topic, start)
    cluster.before = () => undefined
  })

/** Where a fetch of the one partition asks for records that there are; `undefined` if it asks for others. */
const offsetOf = (cluster: FakeCluster, detail: unknown): number | undefined => {
  const { endOffset, startOffset } = cluster.log(topic)
  const offset = fetchOf(detail).partitions[0]?.fetchOffset
  return offset === undefined || offset < startOffset || offset >= endOffset ? undefined : offset
}

/** Answers a fetch of the one partition with the batch at its offset, after `change`. */
const answerWith = (cluster: FakeCluster, detail: unknown, change: (bytes: Buffer) => Buffer) => {
  const offset = fetchOf(detail).partitions[0].fetchOffset
  const log = cluster.log(topic)
  const batch = log.batches.find(({ nextOffset }) => nextOffset > offset)!
  return fetched(detail, {
    highWatermark: log.endOffset,
    lastStableOffset: log.endOffset,
    logStartOffset: log.startOffset,
    records: change(Buffer.from(batch.bytes))
  })
}

const withoutChecksum = (bytes: Buffer): Buffer => {
  bytes[bytes.length - 1] ^= 1
  return bytes
}

describe("while a partition is replayed", () => {
  it.effect("a batch that is corrupt on its way is asked for again where the replay is", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 5; i++) cluster.append(topic, [{ key: `old ${i}`, value: "1" }])
      const table = yield* open(cluster)
      yield* fallBehind(cluster, 6, () => {
        for (let i = 0; i < 6; i++) cluster.append(topic, [{ key: `new ${i}`, value: `${i}` }])
      })
      const asked: Array<number> = []
      let corrupted = false
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        const offset = offsetOf(cluster, detail)
        if (offset === undefined) return undefined
        asked.push(offset)
        const isCorrupt = offset === 8 && !corrupted
        corrupted ||= isCorrupt
        return answerWith(cluster, detail, isCorrupt ? withoutChecksum : (bytes) => bytes)
      }
      yield* until(() => table.unsafeSnapshot().has("new 5"))
      // What was asked for in advance behind the corrupt batch is asked for again, too.
      assert.deepStrictEqual(asked.slice(0, 3), [6, 7, 8])
      assert.deepStrictEqual(asked.slice(-3), [8, 9, 10])
      assert.deepStrictEqual(
        [...(yield* table.snapshot)],
        [1, 2, 3, 4, 5].map((i) => [`new ${i}`, `${i}`] as const)
      )
      assert.strictEqual((yield* table.stats).rebuilds, 1)
      yield* table.barrier()
    })
  )

  it.effect("and retention passes by once more: the replay begins again, and nothing of it is shown before", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (let i = 0; i < 5; i++) cluster.append(topic, [{ key: `old ${i}`, value: "1" }])
      const table = yield* open(cluster)
      const sizes: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(SubscriptionRef.changes(table.ref), (snapshot) =>
          Effect.sync(() => sizes.push(snapshot.size))
        )
      )
      yield* settle
      yield* fallBehind(cluster, 6, () => {
        for (let i = 0; i < 6; i++) cluster.append(topic, [{ key: `new ${i}`, value: `${i}` }])
      })
      const atNine = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        const offset = offsetOf(cluster, detail)
        if (offset === undefined) return undefined
        if (offset !== 9) return answerWith(cluster, detail, (bytes) => bytes)
        // In the middle of the replay, the log's start moves past where it is.
        return Effect.andThen(
          Deferred.succeed(atNine, void 0),
          Effect.andThen(Deferred.await(goOn), Effect.fail(connectionError("Closed")))
        )
      }
      yield* advance(1_000)
      yield* Deferred.await(atNine)
      cluster.truncateHead(topic, 10)
      cluster.before = () => undefined
      yield* Deferred.succeed(goOn, void 0)
      yield* until(() => table.unsafeSnapshot().has("new 5"))
      assert.deepStrictEqual([...(yield* table.snapshot)], [["new 5", "5"]])
      assert.deepStrictEqual(sizes, [5, 1])
      assert.strictEqual((yield* table.stats).rebuilds, 2)
      cluster.append(topic, [{ key: "last", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("last"))
    })
  )

  it.effect("a deletion in it goes on to outweigh an older record of a partition that is not replayed", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.append(topic, [{ key: "a", value: "1", timestamp: 5_000 }], 1)
      cluster.append(topic, [{ key: "b", value: "1", timestamp: 6_000 }], 1)
      cluster.append(topic, [{ key: "a", value: null, timestamp: 7_000 }])
      cluster.append(topic, [{ key: "c", value: "lost" }])
      const table = yield* open(cluster)
      yield* advance(600)
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["b", "c"])
      cluster.truncateTail(topic, 1)
      cluster.append(topic, [{ key: "c", value: "again" }])
      yield* until(() => table.unsafeSnapshot().getOrUndefined("c") === "again")
      assert.sameMembers([...table.unsafeSnapshot().keys()], ["b", "c"])
      assert.strictEqual((yield* table.stats).rebuilds, 1)
    })
  )

  it.effect("two of them at the same time are two lines, each with its partition", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic(2)
      for (const partition of [0, 1]) {
        for (const key of ["a", "b"]) cluster.append(topic, [{ key: `${key}${partition}`, value: "1" }], partition)
      }
      const table = yield* open(cluster)
      yield* advance(600)
      for (const partition of [0, 1]) {
        cluster.truncateTail(topic, 1, partition)
        cluster.append(topic, [{ key: `c${partition}`, value: "1" }], partition)
      }
      yield* until(() => table.unsafeSnapshot().has("c0") && table.unsafeSnapshot().has("c1"))
      const told = lines.filter((line) => line.startsWith("Log truncated"))
      assert.lengthOf(told, 2)
      for (const partition of [0, 1])
        assert.lengthOf(
          told.filter((line) => line.includes(`partition ${partition}`)),
          1
        )
    }).pipe(capturing(lines))
  })

  it.effect("its end says nothing of a partition that may not be read: the status stays what it is", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      for (const key of ["a", "b"]) cluster.append(topic, [{ key, value: "1" }])
      const table = yield* open(cluster)
      yield* advance(600)
      cluster.before = (request, node) => {
        if (node !== 1) return undefined
        if (request === "connect") return Effect.fail(connectionError("Authentication"))
        return request === "Fetch" ? Effect.fail(connectionError("Closed")) : undefined
      }
      const seen = yield* statusesOf(table)
      yield* until(() => seen.at(-1) === "Failed")
      cluster.truncateTail(topic, 1)
      cluster.append(topic, [{ key: "c", value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("c"))
      yield* settle
      assert.deepStrictEqual(seen, ["CaughtUp", "Failed"])
    })
  )

  it.effect("of a topic that was created again: all partitions begin again, and are shown at once", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.append(topic, [{ key: "old", value: "1" }])
      cluster.append(topic, [{ key: "old, too", value: "1" }], 1)
      const table = yield* open(cluster, { restart: Schedule.recurs(1), metadataMaxAge: "1 second" })
      const seen: Array<ReadonlyArray<string>> = []
      yield* Effect.forkChild(
        Stream.runForEach(SubscriptionRef.changes(table.ref), (snapshot) =>
          Effect.sync(() => seen.push([...snapshot.keys()].sort()))
        )
      )
      yield* settle
      cluster.createTopic(topic, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.append(topic, [{ key: "a", value: "1" }])
      for (const key of ["gone", "b", "c"]) cluster.append(topic, [{ key, value: "1" }], 1)
      // The replay of one partition is held up until the other one's is complete, and its log begins later by then.
      const goOn = yield* Deferred.make<void>()
      let held = false
      cluster.before = (request, node) => {
        if (request !== "Fetch" || node !== 1) return undefined
        held = true
        return Effect.andThen(Deferred.await(goOn), Effect.fail(connectionError("Closed")))
      }
      yield* until(() => held)
      yield* advance(10_000)
      cluster.truncateHead(topic, 1, 1)
      cluster.before = () => undefined
      yield* Deferred.succeed(goOn, void 0)
      yield* until(() => table.unsafeSnapshot().has("c"))
      yield* advance(2_000)
      assert.deepStrictEqual(seen, [
        ["old", "old, too"],
        ["a", "b", "c"]
      ])
      assert.isAbove((yield* table.stats).rebuilds, 0)
      cluster.append(topic, [{ key: "last", value: "1" }], 1)
      yield* until(() => table.unsafeSnapshot().has("last"))
    })
  )

  it.effect("and has many rows: whoever subscribes meanwhile gets a snapshot and the changes that follow it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const keys = (version: string) =>
        Array.from({ length: 20_000 }, (_, i) => ({ key: `${version === "2" ? i * 2 : i}`, value: version }))
      cluster.append(topic, keys("1"))
      const table = yield* open(cluster)
      const end = cluster.log(topic).endOffset
      yield* fallBehind(cluster, end + 1, () => {
        cluster.append(topic, [{ key: "lost", value: "1" }])
        cluster.append(topic, keys("2"))
      })
      const folded: Array<Map<string, string>> = []
      let isOver = false
      yield* Effect.forkChild(
        Effect.gen(function* () {
          while (!isOver) {
            const { changes, snapshot } = yield* table.subscribe({ strategy: LiveTable.backPressure(50_000) })
            const seen = new Map(snapshot)
            folded.push(seen)
            yield* Effect.forkScoped(
              Stream.runForEach(changes, (change) =>
                Effect.sync(() => {
                  if (change._tag === "Upsert") seen.set(change.key, change.value)
                  else seen.delete(change.key)
                })
              )
            )
            yield* turn
          }
        })
      )
      yield* until(() => table.unsafeSnapshot().getOrUndefined("2") === "2")
      isOver = true
      yield* advance(1_000)
      const content = new Map(yield* table.snapshot)
      assert.strictEqual(content.size, 20_000)
      const isContent = (seen: ReadonlyMap<string, string>) =>
        seen.size === content.size && [...content].every(([key, value]) => seen.get(key) === value)
      let done = 0
      yield* inNoTime(() => {
        while (done < folded.length && isContent(folded[done])) done++
        return done === folded.length
      })
      assert.isAbove(folded.length, 3)
      for (const seen of folded) {
        assert.strictEqual(seen.size, content.size)
        // Not assert: there are hundreds of thousands.
        for (const [key, value] of content) if (seen.get(key) !== value) assert.strictEqual(seen.get(key), value, key)
      }
    })
  )
})
