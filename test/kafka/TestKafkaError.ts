/** Why something that the tests need from outside (a broker, a JVM, a Python) is not there or does not work. */
import * as Data from "effect/Data"

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
