/** What differs with Effect 3 in how errors come about, and are printed. */
import { Cause, Effect, Logger, ParseResult, Schema } from "effect"
import { inspect } from "node:util"

export const User = Schema.Struct({
  name: Schema.NonEmptyTrimmedString,
  age: Schema.optional(Schema.NumberFromString),
  tags: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Int }))
})

/** What is told, to who asks for it, of a text in `age` that is none. */
export const explanationOfAge = (text: string): string => `age: Unable to decode "${text}" into a number`

export const explanationOfPort = "port: Expected an integer, actual 1.5"

export const explanationOfName = "user: Expected string, actual 7"

export const Secret = Schema.Struct({
  user: Schema.String,
  password: Schema.Redacted(Schema.String.pipe(Schema.minLength(12)))
})

/** Of which all faults are told. */
export const Many = Schema.Struct({
  a: Schema.Int,
  b: Schema.Int,
  c: Schema.Int,
  d: Schema.Int,
  e: Schema.Int
}).annotations({ parseOptions: { errors: "all" } })

export const faultsOfMany = "a: is missing; b: is missing; c: is missing; and 2 more"

export const somebodysError = (value: unknown): ParseResult.ParseError =>
  ParseResult.parseError(new ParseResult.Type(Schema.Int.ast, value, String(value)))

/** What Schema's own formatters print of an error. */
export const formatted = (error: unknown): ReadonlyArray<string> =>
  ParseResult.isParseError(error)
    ? [
        ParseResult.TreeFormatter.formatErrorSync(error),
        JSON.stringify(ParseResult.ArrayFormatter.formatErrorSync(error)),
        inspect(error.issue, { depth: 20 })
      ]
    : []

export const causes = (error: unknown): ReadonlyArray<string> => [
  Cause.pretty(Cause.fail(error), { renderErrorCause: true }),
  Cause.pretty(Cause.die(error), { renderErrorCause: true })
]

const loggers: ReadonlyArray<Logger.Logger<unknown, unknown>> = [
  Logger.stringLogger,
  Logger.logfmtLogger,
  Logger.jsonLogger,
  Logger.map(Logger.structuredLogger, (entry) => `${JSON.stringify(entry)} ${inspect(entry, { depth: 9 })}`)
]

/** The lines of each logger. */
export const linesOfLoggers = (log: Effect.Effect<unknown>): ReadonlyArray<ReadonlyArray<string>> =>
  loggers.map((logger) => {
    const lines: Array<string> = []
    const kept = Logger.map(logger, (line) => {
      lines.push(String(line))
    })
    Effect.runSync(Effect.provide(log, Logger.replace(Logger.defaultLogger, kept)))
    return lines
  })

/** Logs to the console. */
export const logPretty = (log: Effect.Effect<unknown>): void => {
  Effect.runSync(Effect.provide(log, Logger.pretty))
}
