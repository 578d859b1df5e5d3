import * as S from "effect/Schema"

export * from "../../../../../src/internal/effect/v3/shims/Schema.ts"
export {
  parseJson as fromJsonString,
  decode as decodeEffect,
  encode as encodeEffect,
  BigInt as BigIntFromString
} from "effect/Schema"
export { BigIntFromSelf as BigInt } from "effect/Schema"
export { decodeUnknown as decodeUnknownEffect } from "effect/Schema"

export const Record = <K extends S.Schema.All, V extends S.Schema.All>(key: K, value: V) => S.Record({ key, value })
