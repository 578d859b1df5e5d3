/** What differs with Effect 4 in how errors come about, and are printed. */
import { Cause, Effect, Logger, Schema, SchemaIssue } from "effect"
import { inspect } from "node:util"

export const User = Schema.Struct({
  name: Schema.Trimmed.check(Schema.isNonEmpty()),
  age: Schema.optional(Schema.BigIntFromString),
  tags: Schema.optional(Schema.Record(Schema.String, Schema.Int))
})

/** What is told, to who asks for it, of a text in `age` that is none. */
export const explanationOfAge = (text: string): string => `age: Expected a string representing a bigint, got "${text}"`

export const explanationOfPort = "port: Expected an integer, got 1.5"

export const explanationOfName = "user: Expected string, got 7"

export const Secret = Schema.Struct({
  user: Schema.String,
  password: Schema.Redacted(Schema.String.check(Schema.isMinLength(12)))
})

/** Of which all faults are told. No annotation of Effect 4's asks for them: a check may find many. */
export const Many = Schema.Struct({ a: Schema.optional(Schema.Int) }).check(
  Schema.makeFilter(() =>
    ["a", "b", "c", "d", "e"].map((name) => ({ path: [name], issue: new SchemaIssue.MissingKey(undefined) }))
  )
)

/** A name that its schema does not have is content. */
export const faultsOfMany = "a: is missing; [*]: is missing; [*]: is missing; and 2 more"

export const somebodysError = (value: unknown): Schema.SchemaError =>
  new Schema.SchemaError(new SchemaIssue.InvalidType(Schema.Int.ast, value, { reportInput: true }))

/** What Schema's own formatters print of an error. */
export const formatted = (error: unknown): ReadonlyArray<string> =>
  Schema.isSchemaError(error)
    ? [
        SchemaIssue.makeFormatterDefault()(error.issue),
        JSON.stringify(SchemaIssue.makeFormatterStandardSchemaV1()(error.issue)),
        inspect(error.issue, { depth: 20 })
      ]
    : []

export const causes = (error: unknown): ReadonlyArray<string> => [
  Cause.pretty(Cause.fail(error)),
  Cause.pretty(Cause.die(error))
]

const loggers: ReadonlyArray<Logger.Logger<unknown, unknown>> = [
  Logger.formatSimple,
  Logger.formatLogFmt,
  Logger.formatJson,
  Logger.map(Logger.formatStructured, (entry) => `${JSON.stringify(entry)} ${inspect(entry, { depth: 9 })}`)
]

/** The lines of each logger. */
export const linesOfLoggers = (log: Effect.Effect<unknown>): ReadonlyArray<ReadonlyArray<string>> =>
  loggers.map((logger) => {
    const lines: Array<string> = []
    const kept = Logger.map(logger, (line) => {
      lines.push(String(line))
    })
    Effect.runSync(Effect.provide(log, Logger.layer([kept])))
    return lines
  })

/** Logs to the console. */
export const logPretty = (log: Effect.Effect<unknown>): void => {
  Effect.runSync(Effect.provide(log, Logger.layer([Logger.consolePretty({ mode: "tty" })])))
}
