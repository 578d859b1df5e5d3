/** What is loaded by whom. The linter keeps imports between rooms one way; this is about what one import brings along. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const src = fileURLToPath(new URL("../src", import.meta.url))

const IMPORT = /^(?:import|export)\s+(?!type\b)(?:[^"]*?\sfrom\s+)?"([^"]+)"/gm

/** All modules of ours, and all packages, that are loaded with this one; not those that are loaded when they are needed. */
const loadedBy = (module: string): ReadonlySet<string> => {
  const loaded = new Set<string>()
  const load = (file: string): void => {
    const name = relative(src, file)
    if (loaded.has(name)) return
    loaded.add(name)
    for (const [, what] of readFileSync(file, "utf8").matchAll(IMPORT)) {
      if (what.startsWith(".")) load(join(dirname(file), what))
      else loaded.add(what)
    }
  }
  load(join(src, `${module}.ts`))
  return loaded
}

const driversIn = (loaded: ReadonlySet<string>): ReadonlyArray<string> =>
  [...loaded].filter((name) => /^kafkajs\b|^internal\/(kafkajs|embedded)\//.test(name))

describe("an import", () => {
  it("of a table, a writer, a topic or what they are told in brings no driver along", () => {
    for (const module of [
      "Catalog",
      "Codec",
      "DerivedTable",
      "FeedEvent",
      "GroupedKafkaTable",
      "GroupedKafkaTableWriter",
      "KafkaConsumer",
      "KafkaError",
      "KafkaEvent",
      "KafkaEvents",
      "KafkaGroups",
      "KafkaProducer",
      "KafkaProtocol",
      "KafkaTable",
      "KafkaTableWriter",
      "KafkaTopic",
      "LiveQuery",
      "LiveTable",
      "Partitioner",
      "Position",
      "TableChange",
      "TableDefinition",
      "TableFeed",
      "TableIndex",
      "TableSnapshot"
    ]) {
      assert.deepStrictEqual(driversIn(loadedBy(module)), [], module)
    }
  })

  it("of a table brings nothing of writers along", () => {
    const ofWriters = [...loadedBy("KafkaTable")].filter((name) => /^internal\/(producer|writer)\//.test(name))
    assert.deepStrictEqual(ofWriters, [])
    assert.include([...loadedBy("TableDefinition")], "internal/writer/writer.ts")
  })

  it("of the client brings the drivers whose layers it has, and of all brings all", () => {
    for (const module of ["KafkaClient", "index"]) {
      const drivers = driversIn(loadedBy(module))
      assert.include(drivers, "internal/kafkajs/connection.ts", module)
      assert.include(drivers, "internal/embedded/network.ts", module)
    }
    assert.isFalse([...loadedBy("EmbeddedKafka")].some((name) => name.startsWith("internal/kafkajs/")))
  })

  it("of a feed's events brings what a browser needs, and nothing of Kafka", () => {
    const loaded = [...loadedBy("FeedEvent")].map((name) => name.replace("/v3/", "/v4/"))
    assert.deepStrictEqual(loaded.sort(), [
      "FeedEvent.ts",
      "effect/Schema",
      "internal/effect/v4/tableSchemas.ts",
      "internal/feed/copy.ts"
    ])
  })

  it("of the requests as data brings nothing but itself", () => {
    assert.deepStrictEqual([...loadedBy("KafkaProtocol")], ["KafkaProtocol.ts"])
  })
})
