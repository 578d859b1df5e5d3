import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert } from "vitest"
import * as Lab from "./lab.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { collect, eventually, shared, test, numbers } from "../support/live.ts"
import { openTable, openWriter, compacted } from "./openings.ts"
import { differences, lastWriteWins } from "./oracle.ts"
import { contentOf } from "./Witness.ts"
realKafka("debug", { java: true }, () => {
  const made = shared(Lab.make())
  test("a writer over re-creation", () => Effect.gen(function* () {
    const lab = yield* made
    const topic = topicName()
    yield* lab.java.createTopic(topic, { partitions: 2, configs: compacted })
    const writer = yield* openWriter(lab, "w", topic)
    for (const i of numbers(10)) yield* writer.set(`k${i}`, "1")
    yield* lab.java.deleteTopic(topic)
    yield* lab.java.createTopic(topic, { partitions: 2, configs: compacted })
    const t = performance.now()
    for (const i of numbers(10)) {
      const r = yield* Effect.either(writer.set(`k${i}`, "2"))
      console.log(performance.now() - t, r._tag, r._tag === "Left" ? r.left.message : r.right.toString())
    }
    console.log((yield* lab.java.dump(topic)).length)
  }))
  test("slow network", () => Effect.gen(function* () {
    const lab = yield* made
    const topic = topicName()
    yield* lab.java.createTopic(topic, { partitions: 4, configs: compacted })
    yield* lab.java.seed(topic, { count: 15_000, valueBytes: 200 })
    yield* lab.proxies[0].throttle(300_000)
    const t = performance.now()
    const table = yield* openTable(lab, "r", topic, { catchUpTimeout: "40 seconds" })
    console.log("slow", performance.now() - t, yield* table.size, JSON.stringify(yield* table.freshness))
  }), 120_000)
  test("torn tail", () => Effect.gen(function* () {
    const lab = yield* made
    const topic = topicName()
    yield* lab.java.createTopic(topic, { partitions: 1, configs: compacted })
    const table = yield* openTable(lab, "r", topic)
    const truncations = yield* collect(table.truncations)
    const put = (from: number, n: number) => Effect.forEach(numbers(n, from), (i) => lab.java.produce(topic, [{ key: `k${i}`, value: `${i}` }]))
    yield* put(0, 20)
    yield* table.barrier()
    const [node] = lab.nodes
    yield* node.kill
    const file = path.join(node.dataDir, `${topic}-0`, "00000000000000000000.log")
    fs.truncateSync(file, fs.statSync(file).size - 200)
    yield* node.start
    const ends = yield* lab.java.listOffsets(topic)
    console.log("ends", JSON.stringify(ends))
    yield* put(100, 30)
    yield* eventually(table.stats, ({ partitions: [p] }) => p.position >= 40, "30 seconds")
    yield* table.barrier()
    const log = yield* lab.java.dump(topic)
    console.log(truncations.map(String), JSON.stringify((yield* table.stats).partitions), log.length)
    assert.deepStrictEqual(differences(contentOf(table), lastWriteWins(log)), [])
  }), 120_000)
})
