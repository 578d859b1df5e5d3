import * as Effect from "effect/Effect"
import loggers from "kafkajs/src/loggers/index.js"
import { captured } from "../effect/running.ts"
import { foreignText } from "../foreignText.ts"

/**
 * kafkajs's log lines as debug lines of Effect's logger: whatever they warn of is raised as a typed error as well, and
 * logged once by whoever acts on it.
 */
export const makeLogger: Effect.Effect<unknown> = Effect.map(captured, (running) =>
  loggers.createLogger({
    level: loggers.LEVELS.WARN,
    logCreator: () => (entry) => {
      running.fork(
        Effect.logDebug(`kafkajs: ${foreignText(entry.log.message)}`).pipe(
          Effect.annotateLogs({
            package: "effect-ktables",
            module: "kafkajs",
            ...(entry.log.broker === undefined ? {} : { broker: foreignText(entry.log.broker) })
          })
        )
      )
    }
  })
)
