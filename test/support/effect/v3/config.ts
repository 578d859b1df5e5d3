/** Configuration as tests give it, and ask for it. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

/** Runs an Effect with these variables in the environment. */
export const withVariables =
  (variables: Readonly<Record<string, string>>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withConfigProvider(effect, ConfigProvider.fromMap(new Map(Object.entries(variables))))

export const text = (name: string): Config.Config<string> => Config.string(name)

/** Texts with commas between them. */
export const texts = (name: string): Config.Config<ReadonlyArray<string>> => Config.array(Config.string(), name)

export const flag = (name: string): Config.Config<boolean> => Config.boolean(name)
