export * from "effect/TestClock"
