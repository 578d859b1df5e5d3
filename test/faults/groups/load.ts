/** Records for a group, by Kafka's own producer, which goes past the proxies. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { murmur2 } from "../../../src/Partitioner.ts"
import type * as JavaClient from "../../kafka/JavaClient.ts"
import { numbers } from "../../support/live.ts"
import type { Written } from "./course.ts"

const KEYS = 24
/** Of one request. */
const RECORDS = 20
const PAUSE_MILLIS = 20

/** A topic that is written to. */
export interface Target {
  readonly topic: string
  readonly partitions: number
  readonly life: number
}

export interface Load {
  /** All that was acknowledged. */
  readonly written: ReadonlyArray<Written>
  /** So many records at once, besides the others. */
  readonly write: (count: number) => Effect.Effect<void>
  /** Writes elsewhere from now on: to each of these topics by turns. */
  readonly turnTo: (targets: ReadonlyArray<Target>) => void
  /** Begins no writes, and returns when those under way have ended; `resume` goes on. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/** Writes until the scope closes. One record of so many (`poisonEvery`) does not decode, and counts for nothing. */
export const start = (
  java: JavaClient.Service,
  { poisonEvery, random, target }: { readonly random: () => number; readonly target: Target; readonly poisonEvery?: number }
): Effect.Effect<Load, never, Scope.Scope> =>
  Effect.gen(function* () {
    const written: Array<Written> = []
    let targets: ReadonlyArray<Target> = [target]
    let [turn, made] = [0, 0]
    let isStopped = false

    const record = ({ life, partitions, topic }: Target) => {
      const number = made++
      const id = `${topic}-${life}-${number}`
      const key = `k${Math.floor(random() * KEYS)}`
      const isPoison = poisonEvery !== undefined && number % poisonEvery === 0
      const partition = murmur2(Buffer.from(key), partitions)
      return { id, key, isPoison, partition, value: isPoison ? "no JSON" : JSON.stringify({ id }) }
    }

    const write = (count: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        const to = targets[turn++ % targets.length]
        const { life, topic } = to
        const records = numbers(count).map(() => record(to))
        return Effect.map(Effect.orDie(java.produce(topic, records)), (positions) => {
          for (const [i, { offset, partition }] of positions.entries()) {
            const { id, isPoison, key } = records[i]
            if (!isPoison) written.push({ id, key, topic, partition, offset, life })
          }
        })
      })

    const scope = yield* Effect.scope
    const writing = Effect.suspend(() =>
      isStopped ? Effect.void : Effect.andThen(write(RECORDS), Effect.sleep(PAUSE_MILLIS))
    )
    const untilStopped: Effect.Effect<void> = Effect.flatMap(writing, () => (isStopped ? Effect.void : untilStopped))
    let fiber: Fiber.Fiber<void> | undefined
    const resume = Effect.gen(function* () {
      isStopped = false
      fiber = yield* Effect.forkIn(untilStopped, scope)
    })
    yield* resume
    return {
      written,
      write,
      turnTo: (others) => {
        targets = others
      },
      pause: Effect.suspend(() => {
        isStopped = true
        // A write that failed fails the trial here.
        return fiber === undefined ? Effect.void : Fiber.join(fiber)
      }),
      resume
    }
  })
