import * as Effect from "effect/Effect"
import { compiled } from "./java.ts"
import * as Librdkafka from "./Librdkafka.ts"
const p = Effect.gen(function* () {
  const [d, c] = yield* Effect.timed(compiled("JavaClient.java"))
  process.stdout.write(`${process.pid} ${d} ${c.length}\n`)
  const [e, f] = yield* Effect.timed(Effect.flip(Librdkafka.consume({ brokers: ["127.0.0.1:1"], topic: "x" })))
  process.stdout.write(`${process.pid} ${e} ${f.message.split("\n").at(-2)}\n`)
})
Effect.runPromise(p).catch((e) => process.stdout.write(String(e)))
