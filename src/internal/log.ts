import * as Effect from "effect/Effect"

/** Marks the log lines of one module of this library, so that they can be filtered. */
export const annotateLogs =
  (module: string, fields: Readonly<Record<string, string | number>>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.annotateLogs(self, { package: "effect-ktables", module, ...fields })
