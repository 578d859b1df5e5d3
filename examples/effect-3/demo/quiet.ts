/** What the library would log in the demo, its story tells by itself. */
import { Logger, LogLevel } from "effect"

export const quietly = Logger.withMinimumLogLevel(LogLevel.None)
