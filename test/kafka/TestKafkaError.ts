/** Why something that the tests need from outside (a broker, a JVM, a Python) is not there or does not work. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

export class TestKafkaError extends Data.TaggedError("TestKafkaError")<{
  readonly reason:
    | "missing_tool" // java, mvn, python3: the message says what to install
    | "download"
    | "options"
    | "process" // a program failed: the message ends with the tail of its output
    | "start" // a broker did not start: the message ends with the tail of its log
    | "timeout"
  readonly message: string
  readonly cause?: unknown
}> {}

/** Does what a start needs; `what` says it as in "cannot write the configuration". */
export const starting = <A>(what: string, body: () => A): Effect.Effect<A, TestKafkaError> =>
  Effect.try({ try: body, catch: (cause) => new TestKafkaError({ reason: "start", message: `cannot ${what}`, cause }) })
