/**
 * Members of a group, each a process of its own, while records are written steadily to all partitions: one, then three, of which
 * one is killed. Judged by what they write into their journals.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { until } from "../test/kafka/process.ts"
import type { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import { effectsOf, isEven, journals, ownersWithin, recordsIn, type Effects, type Phase } from "./journals.ts"
import { writeSteadily } from "./loader.ts"
import { checkCommitted, runRunner, temporaryDirectory, wrong, type Job, type Measured } from "./runnerProcess.ts"

/** Partitions have settled when they have been where they are for twice as long. */
const SETTLED_MILLIS = 500

const figuresOf = (name: string, effects: ReadonlyArray<Effects>): Record<string, number> => {
  const longest = (kept: boolean) => {
    const gaps = effects.filter((one) => one.kept === kept).map(({ gap }) => gap)
    return gaps.length === 0 ? {} : { [`${name}${kept ? "Kept" : "Moved"}Gap`]: Math.max(...gaps) }
  }
  const repeats = effects.map((one) => one.repeats)
  return {
    [`${name}Millis`]: Math.max(...effects.map(({ moved }) => moved)),
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

    // a process that fails ends whoever waits for something else
    const broken = yield* Deferred.make<never, TestKafkaError>()
    const fork = <A>(process: Effect.Effect<A, TestKafkaError>) =>
      Effect.forkScoped(Effect.tapError(process, (error) => Deferred.fail(broken, error)))

    /** A member that waits to be told to begin, as what it takes to load it is not what is measured. */
    const start = (name: string, told: string) =>
      Effect.suspend(() => {
        written.add(name, file(name))
        const files = { journal: file(name), begin: file(told), stop: file("stop") }
        return fork(runRunner(job, { directory, group, ...files }))
      })
    const areLoaded = (...names: ReadonlyArray<string>) =>
      Effect.sync(() => names.every((name) => fs.existsSync(file(name))))
    const tell = (name: string) =>
      Effect.andThen(
        Effect.sync(() => fs.writeFileSync(file(name), "")),
        Clock.currentTimeMillis
      )
    const wait = (what: string, check: Effect.Effect<boolean>) =>
      Effect.flatMap(Effect.raceFirst(until(check, { within: "60 seconds" }), Deferred.await(broken)), (happened) =>
        happened ? Effect.void : wrong(`not within a minute: ${what}`)
      )

    /** What happens until these members have settled. */
    const phase = (members: ReadonlyArray<string>, from: number) =>
      Effect.gen(function* () {
        const ownersBefore = ownersWithin(written.read(), from - SETTLED_MILLIS, from)
        let settled: Phase | undefined
        const look = Effect.map(Clock.currentTimeMillis, (now) => {
          const works = written.read()
          const middle = now - SETTLED_MILLIS
          const [earlier, later] = [
            ownersWithin(works, middle - SETTLED_MILLIS, middle),
            ownersWithin(works, middle, now)
          ]
          const isSettled =
            isEven(later, members, partitions) &&
            [...later].every(([partition, owner]) => earlier.get(partition) === owner)
          if (isSettled) settled = { from, until: now, ownersBefore, ownersAfter: later }
          return isSettled
        })
        yield* wait(`${members.join(", ")} have as many partitions each`, look)
        return settled ?? (yield* wrong("nothing has settled"))
      })

    const everyMillis = workload.parameters["everyMillis"] ?? 10
    const writing = yield* fork(writeSteadily({ brokers, topic, stop: file("written"), everyMillis }))
    const first = yield* start("first", "begin")
    yield* phase(["first"], yield* tell("begin"))

    const second = yield* start("second", "join")
    const third = yield* start("third", "join")
    yield* wait("the others are loaded", areLoaded("second", "third"))
    const join = yield* phase(["first", "second", "third"], yield* tell("join"))

    const killedAt = yield* Clock.currentTimeMillis
    // interrupted, it is ended by SIGKILL
    yield* Fiber.interrupt(third)
    const kill = yield* phase(["first", "second"], killedAt)

    yield* tell("written")
    const { written: records } = yield* Fiber.join(writing)
    const all = Effect.sync(() => recordsIn(written.read()) === records)
    yield* wait("all records are worked on", all)
    yield* tell("stop")
    const { runtime } = yield* Fiber.join(first)
    yield* Fiber.join(second)
    yield* checkCommitted(job, group)

    const works = written.read()
    return {
      runtime,
      figures: { ...figuresOf("join", effectsOf(works, join)), ...figuresOf("kill", effectsOf(works, kill)) }
    }
  }).pipe(Effect.scoped)
