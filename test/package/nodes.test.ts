/** The packed package in the versions of Node that it is for, with the oldest Effect that it is for. */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as all from "../../src/index.ts"
import { realKafka, sharedKafka } from "../kafka/realKafka.ts"
import { Consumer, consumer, doors, fixture, nodeBinary, oldestEffect, outcome, programAs, setUp } from "./consumer.ts"

/** The first one, and the newest of each line. */
const versions = ["20.0.0", "20", "22", "24"]

/** What `consumer/doors.mjs` prints. */
interface Opened {
  readonly names: Readonly<Record<string, ReadonlyArray<string>>>
  readonly refused: Readonly<Record<string, string>>
  readonly loaded: ReadonlyArray<string>
  readonly canRequireModules: boolean
  readonly required: ReadonlyArray<string> | string
}

const namesBehind = (door: string): ReadonlyArray<string> => {
  const modules: Readonly<Record<string, object>> = { ...all, "effect-ktables": all }
  return Object.keys(modules[door.replace(/^effect-ktables\//, "")]).sort()
}

const nodes = Layer.effectDiscard(Effect.forEach(versions, nodeBinary))

/** Runs a program in that Node, which must not warn of anything, and end by itself. */
const run = (version: string, file: string, text: string, args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const { node, write } = yield* Consumer
    write(file, text)
    const { stderr, stdout } = yield* node([file, ...args], yield* nodeBinary(version))
    expect(stderr).toBe("")
    return stdout.toString()
  })

layer(Layer.merge(consumer({ effect: oldestEffect }), nodes), setUp)("Node", (it) => {
  it.effect.each(versions)("%s: each door opens, and no other, and native code is not loaded yet", (version) =>
    Effect.gen(function* () {
      const opened = JSON.parse(yield* run(version, "doors.mjs", fixture("doors.mjs"), doors)) as Opened
      expect(opened.names).toEqual(Object.fromEntries(doors.map((door) => [door, namesBehind(door)])))
      expect(new Set(Object.values(opened.refused))).toEqual(new Set(["ERR_PACKAGE_PATH_NOT_EXPORTED"]))
      expect(opened.loaded.filter((name) => name !== "kafkajs")).toEqual([])
      expect(opened.required).toEqual(opened.canRequireModules ? namesBehind("effect-ktables") : "ERR_REQUIRE_ESM")
      // from 20.19 and 22.12 on
      expect(opened.canRequireModules).toBe(version !== "20.0.0")
    })
  )

  it.effect.each(versions)("%s: writes and reads in every compression, and ends by itself", (version) =>
    Effect.gen(function* () {
      expect(JSON.parse(yield* run(version, "program.mjs", programAs("ESNext")))).toEqual(outcome)
    })
  )

  it.effect.each(["20", "24"])("%s: the same from CommonJS", (version) =>
    Effect.gen(function* () {
      expect(JSON.parse(yield* run(version, "program.cjs", programAs("CommonJS")))).toEqual(outcome)
    })
  )

  realKafka("on a real Kafka", () => {
    it.effect.each(["20.0.0", "24"])("%s: the same", (version) =>
      Effect.gen(function* () {
        const { brokers } = yield* sharedKafka
        const printed = yield* run(version, "program.mjs", programAs("ESNext"), brokers)
        expect(JSON.parse(printed)).toEqual(outcome)
      })
    )
  })
})
