/**
 * Members of a group, each a process of its own, while records are written steadily to all partitions: one, then three, of which
 * one is killed. Judged by what they write into their journals.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { until } from "../test/kafka/process.ts"
import type { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import { effectsOf, isEven, journals, ownersSince, recordsIn, type Effects, type Phase } from "./journals.ts"
import { writeSteadily } from "./loader.ts"
import { checkCommitted, runRunner, temporaryDirectory, wrong, type Job, type Measured } from "./runnerProcess.ts"

/** For how long partitions must have been where they are. */
const SETTLED_MILLIS = 1000

const figuresOf = (name: string, millis: number, effects: ReadonlyArray<Effects>): Record<string, number> => {
  const longest = (kept: boolean) => {
    const gaps = effects.filter((one) => one.kept === kept).map(({ gap }) => gap)
    return gaps.length === 0 ? {} : { [`${name}${kept ? "Kept" : "Moved"}Gap`]: Math.max(...gaps) }
  }
  const repeats = effects.map((one) => one.repeats)
  return {
    [`${name}Millis`]: millis,
    ...longest(true),
    ...longest(false),
    [`${name}Repeats`]: repeats.reduce((sum, one) => sum + one, 0),
    [`${name}RepeatsMost`]: Math.max(...repeats)
  }
}

export const measureRebalance = (job: Job): Effect.Effect<Measured, TestKafkaError> =>
  Effect.gen(function* () {
    const { brokers, topic, workload } = job
    const { partitions } = workload.topic
    const directory = yield* temporaryDirectory
    const group = `bench-${randomUUID()}`
    const file = (name: string) => path.join(directory, name)
    const written = journals()

    const begin = (name: string) =>
      Effect.suspend(() => {
        written.add(name, file(name))
        return Effect.forkScoped(runRunner(job, { directory, group, journal: file(name), stop: file("stop") }))
      })
    /** Ends with what has happened, or with the failure of one of those who should be running. */
    const wait = <A>(what: string, check: Effect.Effect<boolean>, running: ReadonlyArray<Fiber.Fiber<A, TestKafkaError>>) =>
      Effect.raceFirst(
        until(check, { within: "60 seconds" }),
        Effect.andThen(
          Effect.raceAllFirst(running.map((fiber) => Fiber.join(fiber))),
          wrong("ended before it was told to")
        )
      ).pipe(Effect.flatMap((happened) => (happened ? Effect.void : wrong(`not within a minute: ${what}`))))

    /** What happens until these members have settled. */
    const phase = (
      members: ReadonlyArray<string>,
      running: ReadonlyArray<Fiber.Fiber<unknown, TestKafkaError>>,
      from: number
    ) =>
      Effect.gen(function* () {
        const ownersBefore = ownersSince(written.read(), from - SETTLED_MILLIS)
        let settledAt = 0
        const settled = Effect.map(Clock.currentTimeMillis, (now) => {
          settledAt = now
          return isEven(ownersSince(written.read(), now - SETTLED_MILLIS), members, partitions)
        })
        yield* wait(`${members.join(", ")} have as many partitions each`, settled, running)
        const ownersAfter = ownersSince(written.read(), settledAt - SETTLED_MILLIS)
        return { from, until: settledAt, ownersBefore, ownersAfter } satisfies Phase
      })

    const writing = yield* Effect.forkScoped(
      writeSteadily({ brokers, topic, stop: file("written"), everyMillis: workload.parameters["everyMillis"] ?? 10 })
    )
    const first = yield* begin("first")
    yield* phase(["first"], [first, writing], yield* Clock.currentTimeMillis)

    const joinedAt = yield* Clock.currentTimeMillis
    const second = yield* begin("second")
    const third = yield* begin("third")
    const join = yield* phase(["first", "second", "third"], [first, second, third, writing], joinedAt)

    const killedAt = yield* Clock.currentTimeMillis
    // interrupted, it is ended by SIGKILL
    yield* Fiber.interrupt(third)
    const kill = yield* phase(["first", "second"], [first, second, writing], killedAt)

    fs.writeFileSync(file("written"), "")
    const { written: records } = yield* Fiber.join(writing)
    const all = Effect.sync(() => recordsIn(written.read()) === records)
    yield* wait("all records are worked on", all, [first, second])
    fs.writeFileSync(file("stop"), "")
    const { runtime } = yield* Fiber.join(first)
    yield* Fiber.join(second)
    yield* checkCommitted(job, group)

    const works = written.read()
    // the time until it was seen that all is even is not part of it
    const millis = ({ from, until: to }: Phase) => to - from - SETTLED_MILLIS
    return {
      runtime,
      figures: {
        ...figuresOf("join", millis(join), effectsOf(works, join)),
        ...figuresOf("kill", millis(kill), effectsOf(works, kill))
      }
    }
  }).pipe(Effect.scoped)
