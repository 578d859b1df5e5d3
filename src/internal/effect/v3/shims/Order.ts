export * from "effect/Order"
export { number as Number, string as String, lessThan as isLessThan } from "effect/Order"
