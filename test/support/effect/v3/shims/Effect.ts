import type * as E from "effect/Effect"

export * from "../../../../../src/internal/effect/v3/shims/Effect.ts"
export { tapErrorCause as tapCause, withFiberRuntime as withFiber } from "effect/Effect"
export type Success<T extends E.Effect<any, any, any>> = E.Effect.Success<T>
