import * as Effect from "effect/Effect"
import loggers from "kafkajs/src/loggers/index.js"
import { captured } from "../effect/v4/running.ts"
import { foreignText } from "../foreignText.ts"

/**
 * Makes a logger for kafkajs, whose lines become debug lines of Effect's logger: whatever they warn of is also raised
 * as a typed error, and logged once by whoever acts on that.
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
