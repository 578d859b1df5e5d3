/** The last step of docs/getting-started.md, as a reader takes it: two programs of that page on one real Kafka. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert } from "vitest"
import { blocksOf } from "../../scripts/docs-blocks.mjs"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"
import { command, root, startCommand } from "./program.ts"

/** Where the same tests are for Effect 3, the page's files that differ come from another page. */
const isEffect3 = path.basename(path.resolve(root)) === "effect-3"
const page = "getting-started.md"
const blocks = [
  ...blocksOf(path.join(root, "docs", page)),
  ...(isEffect3 ? blocksOf(path.join(root, "docs", "effect-3.md")).filter(({ marks }) => marks.page === page) : [])
]

/** The page's files, on another topic and another cluster than it names, in a folder where packages are found. */
const project = (brokers: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      fs.mkdirSync(path.join(root, ".cache"), { recursive: true })
      const directory = fs.mkdtempSync(path.join(root, ".cache", "getting-started-"))
      const topic = topicName("flags")
      const written = new Map<string, string>()
      for (const { language, lines, marks } of blocks) {
        const text = lines.join("\n")
        const isCluster = text.includes("localhost:9092")
        const name = isCluster && language === "ts" ? "kafka.ts" : marks.file
        if (name === undefined) continue
        const own = text.replace('"my.flags"', `"${topic}"`).replace('"localhost:9092"', JSON.stringify(brokers[0]))
        written.set(name, own)
        fs.writeFileSync(path.join(directory, name), own)
      }
      assert.include(written.get("kafka.ts"), brokers[0])
      assert.include(written.get("flags.ts"), topic)
      return directory
    }),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )

realKafka("docs/getting-started.md", () => {
  test("one program follows what another one writes, twice, and says what the page says", () =>
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      const directory = yield* project(brokers)
      const run = (file: string) =>
        startCommand(command(path.join(directory, file)), { TSX_TSCONFIG_PATH: path.join(root, "tsconfig.json") })
      const printed = blocks.find(({ lines }) => lines[0] === "$ npx tsx follow.ts")?.lines.slice(1) ?? []
      assert.strictEqual(printed.length, 5)

      const follower = yield* run("follow.ts")
      yield* follower.says("0 flags, following")
      for (const round of [1, 2]) {
        const writer = yield* run("write.ts")
        assert.strictEqual(yield* writer.ended, 0, writer.output())
        yield* follower.says(new RegExp(`(?:deleted[^]*){${round}}`))
      }
      // what the library logs stands between
      const said = follower
        .output()
        .split("\n")
        .filter((line) => printed.includes(line))
      assert.deepStrictEqual(said, [...printed, ...printed.slice(1)])
    }))
})
