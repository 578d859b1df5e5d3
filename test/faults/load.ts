/** Writers that never stop: 500 keys, a fifth of it deletions, no value twice, and a record of each outcome. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { errorOf } from "../support/exits.ts"
import type { KafkaTableWriter, Position } from "../../src/index.ts"
import { ID_HEADER, type Operation, type Outcome } from "./history.ts"

export const KEYS = 500
const DELETIONS = 0.2
/** Of each writer at once. */
const WORKERS = 4
const PAUSE_MILLIS = 8
const MANY = 5

/** The least that a broker in trouble needs, so that nobody waits longer than he must. */
const requestTimeout = "2 seconds"

/** By name. "hasty" gives up soon, so that there are failed and unknown outcomes; "many" writes by `setMany`. */
export const writerSettings: Readonly<Record<string, KafkaTableWriter.WriterSettings>> = {
  patient: { requestTimeout },
  hasty: { requestTimeout, deliveryTimeout: "2 seconds", compression: "gzip" },
  many: { requestTimeout, compression: "lz4" }
}

/** Of one that writes once in a while. */
export const proberSettings: KafkaTableWriter.WriterSettings = { requestTimeout, deliveryTimeout: "5 seconds" }

export type Writer = KafkaTableWriter.KafkaTableWriter<string, string>

export interface Load {
  readonly operations: ReadonlyArray<Operation>
  /** Of all writers. */
  readonly acknowledged: () => number
  /** Behind the last acknowledged write of each partition. */
  readonly ends: () => ReadonlyMap<number, number>
  /** One more write, by whomever, and recorded like the others. */
  readonly write: (
    writer: Writer,
    by: string,
    key: string,
    options?: { readonly partition?: number }
  ) => Effect.Effect<Operation>
  /** Begins no writes, and returns when those under way have ended; `resume` goes on. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/** The part of an error that decides what it means. */
interface Failure {
  readonly reason: string
}

/** `undefined`: it died, or was interrupted. */
const outcomeOf = (exit: Exit.Exit<Position.Position, Failure>): Outcome | undefined => {
  if (exit._tag === "Success") {
    return { _tag: "Acknowledged", partition: exit.value.partition, offset: exit.value.offset }
  }
  const error = errorOf(exit)
  if (error === undefined) return undefined
  const { reason } = error
  return reason === "UnknownOutcome" ? { _tag: "Unknown" } : { _tag: "Failed", reason }
}

/** `writers` by their names. */
export const start = (
  writers: ReadonlyMap<string, Writer>,
  random: () => number
): Effect.Effect<Load, never, Scope.Scope> =>
  Effect.gen(function* () {
    const operations: Array<Operation> = []
    let acknowledged = 0
    const ends = new Map<number, number>()
    let stopped = false

    const begin = (writer: string, key: string, valued: boolean): Operation => {
      const id = `${writer}-${operations.length}`
      const operation: Operation = {
        id,
        writer,
        key,
        value: valued ? `${id} ${"x".repeat(Math.floor(random() * 200))}` : null,
        calledAt: performance.now(),
        endedAt: Number.POSITIVE_INFINITY,
        outcome: undefined
      }
      operations.push(operation)
      return operation
    }
    const end = (operation: Operation, outcome: Outcome | undefined): void => {
      operation.endedAt = performance.now()
      operation.outcome = outcome
      if (outcome?._tag !== "Acknowledged") return
      acknowledged++
      const { offset, partition } = outcome
      ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1))
    }

    const run = (writer: Writer, operation: Operation, partition?: number): Effect.Effect<void> => {
      const options = {
        headers: { [ID_HEADER]: operation.id },
        ...(partition === undefined ? {} : { partition })
      }
      const { key, value } = operation
      return Effect.suspend(() =>
        value === null ? writer.delete(key, options) : writer.set(key, value, options)
      ).pipe(
        Effect.exit,
        Effect.map((exit) => end(operation, outcomeOf(exit)))
      )
    }

    const anyKey = () => `k${Math.floor(random() * KEYS)}`

    const one = (name: string, writer: Writer): Effect.Effect<void> =>
      Effect.suspend(() => run(writer, begin(name, anyKey(), random() >= DELETIONS)))

    /** Without headers: there are none for many at once, so these are values only, which begin with the id. */
    const several = (name: string, writer: Writer): Effect.Effect<void> =>
      Effect.suspend(() => {
        const all = new Map<string, Operation>()
        while (all.size < MANY) {
          const key = anyKey()
          if (!all.has(key)) all.set(key, begin(name, key, true))
        }
        const list = [...all.values()]
        return Effect.map(Effect.exit(writer.setMany(list.map(({ key, value }) => [key, value!] as const))), (exit) => {
          if (exit._tag === "Failure") {
            // of the others nobody knows
            const outcome = errorOf(exit) !== undefined ? ({ _tag: "Unknown" } as const) : undefined
            for (const operation of list) end(operation, outcome)
            return
          }
          for (const [i, { offset, partition }] of exit.value.entries()) {
            end(list[i], { _tag: "Acknowledged", partition, offset })
          }
        })
      })

    const worker = (name: string, writer: Writer): Effect.Effect<void> =>
      Effect.gen(function* () {
        while (!stopped) {
          yield* name === "many" ? several(name, writer) : one(name, writer)
          yield* Effect.sleep(random() * PAUSE_MILLIS)
        }
      })

    const scope = yield* Effect.scope
    let fibers: ReadonlyArray<Fiber.Fiber<void>> = []
    const resume = Effect.gen(function* () {
      stopped = false
      const all = [...writers].flatMap(([name, writer]) =>
        Array.from({ length: name === "many" ? 1 : WORKERS }, () => worker(name, writer))
      )
      fibers = yield* Effect.forEach(all, Effect.forkIn(scope))
    })
    const pause = Effect.suspend(() => {
      stopped = true
      return Effect.asVoid(Fiber.awaitAll(fibers))
    })
    yield* resume

    return {
      operations,
      acknowledged: () => acknowledged,
      ends: () => new Map(ends),
      write: (writer, by, key, options) =>
        Effect.suspend(() => {
          const operation = begin(by, key, true)
          return Effect.as(run(writer, operation, options?.partition), operation)
        }),
      pause,
      resume
    }
  })
