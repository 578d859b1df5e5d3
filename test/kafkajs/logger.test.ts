/** kafkajs's log lines, in which others have written. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { loggingTo, ofAllLevels } from "../support/effect/v4/logs.ts"
import { makeLogger } from "../../src/internal/kafkajs/logger.ts"

interface KafkajsLogger {
  readonly namespace: (name: string) => {
    readonly error: (message: string, extra?: { readonly broker?: string }) => void
    readonly info: (message: string) => void
  }
}

describe("kafkajs's log", () => {
  it.effect("is of short lines without control characters, at debug level", () => {
    const lines: Array<readonly [level: string, message: string, broker: unknown]> = []
    return Effect.gen(function* () {
      const { error, info } = ((yield* makeLogger) as KafkajsLogger).namespace("Connection")
      error("refused\r\nINFO all is well\u001b[2J", { broker: "kafka\n:9092" })
      error("x".repeat(30_000), { broker: "y".repeat(30_000) })
      info("of no interest")
      assert.deepStrictEqual(lines, [
        ["DEBUG", "kafkajs: refused\\r\\nINFO all is well\\u001b[2J", "kafka\\n:9092"],
        ["DEBUG", `kafkajs: ${"x".repeat(256)}…`, `${"y".repeat(256)}…`]
      ])
    }).pipe(
      loggingTo(({ annotations, level, message }) => lines.push([level, message, annotations.broker])),
      ofAllLevels
    )
  })
})
