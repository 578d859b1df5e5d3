/** Configuration as tests give it, and ask for it. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Runs an Effect with these variables in the environment. */
export const withVariables =
  (variables: Readonly<Record<string, string>>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(variables))

export const text = (name: string): Config.Config<string> => Config.String(name)

/** Texts with commas between them. */
export const texts = (name: string): Config.Config<ReadonlyArray<string>> => Config.Array(Schema.String, name)

export const flag = (name: string): Config.Config<boolean> => Config.Boolean(name)
