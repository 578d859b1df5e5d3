export * from "../../../../../src/internal/effect/v3/shims/Duration.ts"
export { decode as fromInputUnsafe } from "effect/Duration"
