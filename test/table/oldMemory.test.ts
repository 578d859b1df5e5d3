/** Who looks into a table sees its records, and nothing that the process had in its memory before. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { everythingOf, oldMemory, shownBytes } from "../support/oldMemory.ts"
import { Codec, KafkaTable } from "../../src/index.ts"
import { on, topic, withTopic } from "./support.ts"

const OLD = "what-was-there-before"

describe("old memory", () => {
  it.effect("is not shown by a table", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, [
        { key: "the-key", value: "the-value" },
        { key: "another", value: "x".repeat(1_000) }
      ])
      yield* oldMemory(OLD)
      // values of this codec stay bytes
      const settings = { topic, value: Codec.bytes, ensureTopic: false }
      const table = yield* KafkaTable.make(settings).pipe(on(cluster))
      assert.strictEqual(table.unsafeSnapshot().size, 2)
      const shown = everythingOf([table, table.unsafeSnapshot()])
      // the memory of the table is shown at all
      for (const part of ["the-key", "the-value"]) assert.isTrue(shown.includes(shownBytes(part)), part)
      for (const form of [OLD, shownBytes(OLD)]) {
        const at = shown.indexOf(form)
        assert.strictEqual(at, -1, shown.slice(Math.max(0, at - 1_000), at + 100))
      }
    })
  )
})
