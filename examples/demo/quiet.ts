/** What the library would log in the demo, its story tells by itself. */
import { Effect, References } from "effect"

export const quietly = Effect.provideService(References.MinimumLogLevel, "None")
