/** The packed package on Bun: what it does on Node, by the same program. */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as path from "node:path"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, sharedKafka } from "../kafka/realKafka.ts"
import { Consumer, bunBinary, consumer, doors, fixture, oldestEffect, outcome, programAs, setUp } from "./consumer.ts"
import { program } from "./v4/major.ts"

const version = "1.4.5"

/** Runs a program, which must end by itself. */
const run = (
  file: string,
  text: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const { node, write } = yield* Consumer
    write(file, text)
    const { stderr, stdout } = yield* node([file, ...args], yield* bunBinary(version), env)
    expect(stderr).toBe("")
    return stdout.toString()
  })

layer(Layer.merge(consumer({ effect: oldestEffect }), Layer.effectDiscard(bunBinary(version))), setUp)("Bun", (it) => {
  it.effect("each door opens", () =>
    Effect.gen(function* () {
      const importing = doors.map((door) => `await import(${JSON.stringify(door)})\n`).join("")
      expect(yield* run("doors.mjs", `${importing}console.log("open")\n`)).toBe("open\n")
    })
  )

  it.effect("writes and reads in every compression, and ends by itself: TypeScript, ES modules, CommonJS", () =>
    Effect.gen(function* () {
      expect(JSON.parse(yield* run("program.ts", program))).toEqual(outcome)
      expect(JSON.parse(yield* run("program.mjs", programAs("ESNext")))).toEqual(outcome)
      expect(JSON.parse(yield* run("program.cjs", programAs("CommonJS")))).toEqual(outcome)
    })
  )

  it.effect("its own bundler puts it into one file", () =>
    Effect.gen(function* () {
      const { directory, node } = yield* Consumer
      const out = path.join(directory, "bundle.mjs")
      yield* run("program.ts", program)
      const bun = yield* bunBinary(version)
      yield* node(["build", "program.ts", "--target=bun", `--outfile=${out}`], bun)
      expect(JSON.parse((yield* node([out], bun)).stdout.toString())).toEqual(outcome)
    })
  )

  realKafka("on a real Kafka", () => {
    it.effect("the same", () =>
      Effect.gen(function* () {
        const { brokers } = yield* sharedKafka
        expect(JSON.parse(yield* run("program.ts", program, brokers))).toEqual(outcome)
      })
    )
  })

  realKafka("on a Kafka with TLS and passwords", { java: true }, () => {
    it.effect("writes and reads, and is refused by reason", () =>
      Effect.gen(function* () {
        const { brokers, tls } = yield* KafkaCluster.make({ listener: "sasl_ssl", users: { app: "s3cret" } })
        const args = [brokers.join(","), "app", "s3cret"]
        const printed = yield* run("secure.mjs", fixture("secure.mjs"), args, { KAFKA_CA: tls!.ca })
        expect(JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "")).toEqual({
          right: "b",
          withoutAuthority: "Tls",
          withAnotherPassword: "Authentication"
        })
      }).pipe(Effect.scoped)
    )
  })
})
