/**
 * A program that opens a table and a writer, closes their scope, and has nothing more to do. It says how many ticks of a
 * clock of its own it took to end then, see exit.test.ts: one that gets no time on a busy machine does not tick.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { Position } from "../../src/index.ts"
import type { ClientOptions } from "../faults/lab.ts"
import { openTable, openWriter } from "../faults/openings.ts"

const [brokers, topic, how, secured] = process.argv.slice(2)
const lab = { brokers: brokers.split(",") }

/** What a listener with TLS and SASL asks for. */
export interface Secured {
  readonly ca: string
  readonly username: string
  readonly password: string
}

const options = (): ClientOptions => {
  if (secured === "") return {}
  const { ca, password, username } = JSON.parse(secured) as Secured
  return { tls: { ca }, sasl: { mechanism: "SCRAM-SHA-256", username, password: Redacted.make(password) } }
}

const TICK_MILLIS = 10

const far = Position.make({ topic, partition: 0, offset: 1_000_000 })

const use = Effect.gen(function* () {
  // all that a table can be asked for at the same time
  const table = yield* openTable(lab, "leaving", topic, {}, options())
  const writer = yield* openWriter(lab, "leaving", topic, {}, options())
  yield* table.subscribe()
  yield* table.awaitPosition(yield* writer.set("a", how))
  yield* table.barrier()
  if (how === "waiting") yield* Effect.forkScoped(table.awaitPosition(far))
})

const acquire = Effect.andThen(openTable(lab, "leaving", topic, {}, options()), Effect.never)

const program = how === "early" ? Effect.timeoutOption(Effect.scoped(acquire), "300 millis") : Effect.scoped(use)

Effect.runPromise(withoutLogs(program)).then(
  () => {
    let ticks = 0
    setInterval(() => ticks++, TICK_MILLIS).unref()
    // nothing ends it but that there is nothing left to do
    process.once("exit", () => process.stdout.write(`${ticks}`))
  },
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exitCode = 1
  }
)
