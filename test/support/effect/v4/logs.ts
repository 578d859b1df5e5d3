/** Log lines that a test looks at, or that nobody wants to see. */
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

export interface LogLine {
  readonly level: "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL"
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
  readonly cause: Cause.Cause<unknown>
  /** As it would be printed. */
  readonly printed: string
}

type Around = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const withLoggers = (loggers: ReadonlyArray<Logger.Logger<unknown, unknown>>): Around =>
  Effect.provideService(Logger.CurrentLoggers, new Set(loggers))

/** Gives each line to a function of the test, in place of printing it. */
export const loggingTo = (take: (line: LogLine) => void): Around =>
  withLoggers([
    Logger.make((options) => {
      take({
        level: options.logLevel.toUpperCase() as LogLine["level"],
        message: Arr.ensure(options.message)
          .map((part) => Inspectable.toStringUnknown(part))
          .join(" "),
        annotations: options.fiber.getRef(References.CurrentLogAnnotations),
        cause: options.cause,
        get printed() {
          return Logger.formatLogFmt.log(options)
        }
      })
    })
  ])

/** Lines of all levels, those, too, that are off by default. */
export const ofAllLevels: Around = Effect.provideService(References.MinimumLogLevel, "All")

/** Without any lines. */
export const withoutLogs: Around = withLoggers([])
