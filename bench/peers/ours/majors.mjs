// What the two majors of Effect have under different names.
import * as effect from "effect"
import { createRequire } from "node:module"

const { Effect, Latch, Layer, Logger, LogLevel, References } = effect

export const effectVersion = createRequire(import.meta.url)("effect/package.json").version

export const fork = Effect.forkChild ?? Effect.fork

export const makeLatch = Latch?.make ?? Effect.makeLatch

export const onlyErrors =
  References === undefined ? Logger.minimumLogLevel(LogLevel.Error) : Layer.succeed(References.MinimumLogLevel, "Error")
