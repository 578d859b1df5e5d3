/** Faults of the process that tables and writers are in. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { topicName } from "../kafka/realKafka.ts"
import { eventually, numbers } from "../support/live.ts"
import { compacted } from "./openings.ts"
import { CLOSE_LIMIT_MILLIS, missing, processViolations, violations, type Evidence } from "./oracle.ts"
import * as Program from "./Program.ts"
import * as report from "./report.ts"
import { bothSides, type Scenario } from "./rows.ts"
import { LOAD } from "./settings.ts"
import { shown } from "./trial.ts"
import { judge, missing as missingIn, topicsBeside } from "./views/verdict.ts"

/** Whatever happens to the process is no failure of the broker: every write is acknowledged, no table fails. */
const inProgram = (
  name: string,
  fault: (program: Program.Program) => Effect.Effect<void, unknown>,
  { isClockSteady = true } = {}
): Scenario => ({
  name,
  covers: bothSides("paused"),
  run: ({ brokers, java }, seed) =>
    Effect.gen(function* () {
      const topic = topicName()
      const partitions = numbers(4)
      const beside = topicsBeside(topic)
      yield* java.createTopic(topic, { partitions: 4, configs: compacted })
      for (const one of [beside.groups, beside.catalog]) yield* java.createTopic(one, { configs: compacted })
      const program = yield* Program.start({ brokers, topic, partitions, seed, isClockSteady })
      const busy = Effect.flatMap(program.acknowledged, (before) =>
        eventually(program.acknowledged, (acknowledged) => acknowledged >= before + LOAD)
      )
      yield* busy
      yield* fault(program)
      const recoveredMillis = yield* program.probe
      yield* busy
      const { evidence, exitMillis } = yield* program.finish
      const logOf = (topic: string) => java.dump(topic, { committed: true })
      const log = yield* logOf(topic)
      const logs = { table: log, groups: yield* logOf(beside.groups), catalog: yield* logOf(beside.catalog) }
      const { complaints, operations, ridden, statuses } = evidence
      assert.deepStrictEqual(statuses, ["CaughtUp"])
      assert.deepStrictEqual(
        operations.filter(({ outcome }) => outcome?._tag !== "Acknowledged"),
        []
      )
      const left = { millisToClose: exitMillis, connections: 0, fibers: 0, timers: 0 }
      const whole: Evidence = { ...evidence, log, recoveredMillis }
      const found = [
        ...violations(whole),
        ...judge(ridden, logs),
        ...processViolations({ complaints, left, idleCpu: 0 })
      ]
      assert.deepStrictEqual([...found.map(shown), ...missing(whole), ...missingIn(ridden)], [])
      assert.isBelow(exitMillis, CLOSE_LIMIT_MILLIS)
      report.add({ name, seed, recoveredMillis, closedMillis: exitMillis, operations })
    })
})

export const scenarios: ReadonlyArray<Scenario> = [
  inProgram("the event loop is blocked", (program) => program.block(10_000)),

  inProgram("the process is stopped, and goes on", (program) =>
    program.stop.pipe(Effect.andThen(Effect.sleep("10 seconds")), Effect.andThen(program.continue))
  ),

  inProgram(
    "the clock is set forward, and back",
    (program) =>
      Effect.gen(function* () {
        for (const hours of [1, -3]) {
          yield* program.setClock(hours * 3_600_000)
          const before = yield* program.acknowledged
          yield* eventually(program.acknowledged, (acknowledged) => acknowledged > before + 50)
        }
      }),
    { isClockSteady: false }
  )
]
