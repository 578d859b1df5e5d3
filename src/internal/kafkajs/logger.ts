import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import loggers from "kafkajs/src/loggers/index.js"

/**
 * kafkajs's log lines as debug lines of Effect's logger: whatever they warn of is raised as a typed error as well, and
 * logged once by whoever acts on it.
 */
export const makeLogger: Effect.Effect<unknown> = Effect.map(Effect.runtime(), (runtime) =>
  loggers.createLogger({
    level: loggers.LEVELS.WARN,
    logCreator: () => (entry) => {
      Runtime.runFork(runtime)(
        Effect.logDebug(`kafkajs: ${entry.log.message}`).pipe(
          Effect.annotateLogs({
            package: "effect-ktables",
            module: "kafkajs",
            ...(entry.log.broker === undefined ? {} : { broker: entry.log.broker })
          })
        )
      )
    }
  })
)
