/** Log lines that a test looks at, or that nobody wants to see. */
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

export interface LogLine {
  readonly level: "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL"
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
  readonly cause: Cause.Cause<unknown>
  /** As it would be printed. */
  readonly printed: string
}

type Around = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const withLogger = (logger: Logger.Logger<unknown, unknown>): Around =>
  Effect.provide(Logger.replace(Logger.defaultLogger, logger))

/** Gives each line to a function of the test, in place of printing it. */
export const loggingTo = (take: (line: LogLine) => void): Around =>
  withLogger(
    Logger.make((options) => {
      take({
        level: options.logLevel.label as LogLine["level"],
        message: Arr.ensure(options.message)
          .map((part) => Inspectable.toStringUnknown(part))
          .join(" "),
        annotations: Object.fromEntries(HashMap.toEntries(options.annotations)),
        cause: options.cause,
        get printed() {
          return Logger.logfmtLogger.log(options)
        }
      })
    })
  )

/** Lines of all levels, those, too, that are off by default. */
export const ofAllLevels: Around = Logger.withMinimumLogLevel(LogLevel.All)

/** Without any lines. */
export const withoutLogs: Around = withLogger(Logger.none)
