/**
 * A fault of a group under load, and the oracle's verdict on it.
 *
 * A topic that Kafka's own producer writes to, and a group whose members work on it; the fault, with its healing; then the
 * load ends, all is to be done and committed within 10 seconds, as Kafka's own client sees it, and the members are closed.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { KafkaConsumer } from "../../../src/index.ts"
import { topicName } from "../../kafka/realKafka.ts"
import type { TestKafkaError } from "../../kafka/TestKafkaError.ts"
import { eventually } from "../../support/live.ts"
import { heldWithin, timed } from "../../support/ownTime.ts"
import { randomOf } from "../../support/random.ts"
import type { Lab } from "../lab.ts"
import { CLOSE_LIMIT_MILLIS, RECOVERY_LIMIT_MILLIS } from "../oracle.ts"
import type { Covers, Scenario } from "../rows.ts"
import { isWhole } from "../settings.ts"
import * as Trial from "../trial.ts"
import { merged, noteFor, type Course, type Entry, type PlaceOffset } from "./course.ts"
import * as Load from "./load.ts"
import * as Member from "./member.ts"
import { judge, missing, unfinished } from "./oracle.ts"
import * as Other from "./Other.ts"
import { shortWork } from "./works.ts"

/** Works that end before a fault, and again after it. */
const BUSY = 150

const PARTITIONS = 4

/** The session, where it is a part of the trial that partitions are lost. */
export const SESSION_MILLIS = 3_000

/** The session where no partition may be lost: not to a machine that is busy for a while either. */
const SAFE_SESSION_MILLIS = 30_000

export type Protocol = "classic" | "consumer"

/** The brokers have the session of the consumer protocol. */
const optionsOf = (protocol: Protocol, sessionMillis: number): Partial<Member.Options> =>
  protocol === "classic"
    ? { protocol, sessionTimeout: sessionMillis, heartbeatInterval: 200, rebalanceTimeout: 2 * sessionMillis }
    : { protocol, rebalanceTimeout: 2 * sessionMillis }

/** What a fault has at hand. */
export interface World {
  readonly lab: Lab
  readonly topic: string
  readonly group: string
  readonly random: () => number
  readonly load: Load.Load
  /** Those that are there from the beginning. */
  readonly members: ReadonlyArray<Member.Member>
  readonly entries: ReadonlyArray<Entry>
  /** Takes note of what is done to the topics. */
  readonly note: (happening: Parameters<ReturnType<typeof noteFor>>[0]) => void
  /** One more member, until it is closed, or the trial ends. */
  readonly open: (
    name: string,
    options?: Partial<Member.Options>
  ) => Effect.Effect<Member.Member, KafkaConsumer.AcquireError>
  /** One more member, in a process of its own. It is closed in good order in the end, if it is there still. */
  readonly start: (name: string) => Effect.Effect<Other.Other, TestKafkaError>
  /** Waits until so many more works have ended. */
  readonly busy: (works?: number) => Effect.Effect<void>
  /** Waits until these members own so many partitions together. */
  readonly owned: (members: ReadonlyArray<Pick<Member.Member, "owned">>, count: number) => Effect.Effect<void>
  /** Waits until this member was told of such an event. */
  readonly told: (member: string, event: string) => Effect.Effect<void>
  /** Waits until this is committed, and returns how far the group is. */
  readonly ends: Effect.Effect<ReadonlyArray<PlaceOffset>>
}

export interface GroupTrial {
  readonly protocol?: Protocol
  /** Names; two by default. */
  readonly members?: ReadonlyArray<string>
  readonly options?: (topic: string, member: string) => Partial<Member.Options>
  readonly work?: (short: Member.Work, member: string) => Member.Work
  readonly poisonEvery?: number
  /** Whether commits before partitions are given up may find no coordinator. */
  readonly mayMissCommits?: boolean
  /** Whether work may be cut off, as it takes longer than the time that is given to it. */
  readonly mayCutOff?: boolean
  /** Whether partitions may be lost. Where they may not be, nothing is done twice. */
  readonly mayLose: boolean
  /** By default, a short one where partitions may be lost, and a long one where they may not be. */
  readonly sessionMillis?: number
  /** Names of members whose work fails, and is meant to. */
  readonly fails?: ReadonlyArray<string>
  /** Returns when it is healed. */
  readonly fault: (world: World) => Effect.Effect<void, unknown, Scope.Scope>
  /** What is particular, when all is done. */
  readonly then?: (world: World) => Effect.Effect<void, unknown, Scope.Scope>
}

/** How often the committed offsets are looked at, in milliseconds. */
const LOOK_MILLIS = 200

const run = (lab: Lab, seed: number, trial: GroupTrial) =>
  Effect.gen(function* () {
    const { java } = lab
    const random = randomOf(seed)
    const [topic, group] = [topicName(), topicName("group")]
    const { fails = [], mayLose, mayMissCommits = false, members: names = ["one", "two"], protocol = "classic" } = trial
    const { sessionMillis = mayLose ? SESSION_MILLIS : SAFE_SESSION_MILLIS } = trial
    yield* java.createTopic(topic, { partitions: PARTITIONS })
    if (protocol === "consumer") {
      yield* java.alterGroupConfigs(group, { set: { "consumer.session.timeout.ms": `${sessionMillis}` } })
    }
    const scope = yield* Effect.scope
    const entries: Array<Entry> = []
    const add = (entry: Entry): void => void entries.push(entry)
    const note = noteFor("test", add)

    const optionsFor = (name: string): Member.Options => ({
      group,
      subscribe: topic,
      commitInterval: 200,
      ...optionsOf(protocol, sessionMillis),
      ...trial.options?.(topic, name)
    })
    const all: Array<Member.Member> = []
    const open: World["open"] = (name, options) =>
      Effect.gen(function* () {
        const short = shortWork(random)
        const work = trial.work?.(short, name) ?? short
        const opened = yield* Member.open(lab, name, { ...optionsFor(name), ...options }, work, noteFor(name, add))
        all.push(opened)
        return opened
      }).pipe(Scope.provide(scope))
    const others: Array<Other.Other> = []
    const start: World["start"] = (name) =>
      Effect.gen(function* () {
        const started = yield* Other.start(lab, { name, options: optionsFor(name), seed }, add)
        others.push(started)
        return started
      }).pipe(Scope.provide(scope))

    const target = { topic, partitions: PARTITIONS, life: 0 }
    const { poisonEvery } = trial
    const load = yield* Load.start(java, { random, target, ...(poisonEvery === undefined ? {} : { poisonEvery }) })
    const members = yield* Effect.forEach(names, (name) => open(name), { concurrency: "unbounded" })

    const committed = Effect.map(java.groupOffsets(group), (offsets) => {
      noteFor("the reader", add)({ _tag: "Seen", offsets })
      return offsets
    })
    const looking = yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(Effect.ignore(committed), Effect.sleep(LOOK_MILLIS)))
    )

    /** Where the logs of all that was written to end now, as far as those topics are there. */
    const ends = Effect.gen(function* () {
      const topics = new Set(load.written.map((one) => one.topic))
      const there = yield* java.listTopics
      return (yield* Effect.forEach(
        [...topics].filter((one) => there.includes(one)),
        (one) => Effect.map(java.listOffsets(one), (found) => found.map((end) => ({ ...end, topic: one })))
      )).flat()
    })
    const worksDone = () => entries.filter((entry) => entry._tag === "Ended" && entry.isDone).length
    const world: World = {
      lab,
      topic,
      group,
      random,
      load,
      members,
      entries,
      note,
      open,
      start,
      busy: (works = BUSY) =>
        Effect.suspend(() => {
          const before = worksDone()
          const look = Effect.sync(() => ({ before, done: worksDone(), written: load.written.length }))
          const isReached = ({ done }: { readonly done: number }) => done >= before + works
          return Effect.asVoid(Effect.raceFirst(eventually(look, isReached), load.broken))
        }),
      owned: (of, count) =>
        Effect.asVoid(
          eventually(
            Effect.map(
              Effect.forEach(of, ({ owned }) => owned),
              (counts) => counts.reduce((sum, one) => sum + one, 0)
            ),
            (sum) => sum === count
          )
        ),
      told: (member, event) =>
        Effect.asVoid(
          eventually(
            Effect.sync(() =>
              entries.some((one) => one._tag === "Told" && one.member === member && one.event === event)
            ),
            (isTold) => isTold
          )
        ),
      ends: Effect.orDie(ends)
    }

    yield* world.busy()
    yield* Effect.scoped(trial.fault(world))
    yield* world.busy()
    yield* load.pause
    const isFinished = Effect.gen(function* () {
      return unfinished({ committed: yield* committed, ends: yield* ends }).length === 0
    })
    const [recoveredMillis] = yield* timed(heldWithin(isFinished, RECOVERY_LIMIT_MILLIS))
    const final = { committed: yield* committed, ends: yield* ends }
    if (trial.then !== undefined) yield* trial.then(world)
    yield* Fiber.interrupt(looking)

    const failed: Array<string> = []
    for (const { close, name } of all) {
      const { exit, millis } = yield* close
      if (millis > CLOSE_LIMIT_MILLIS) failed.push(`closing "${name}" took ${Math.round(millis)} ms`)
      if ((exit._tag === "Failure") !== fails.includes(name)) {
        const why = entries.find((entry) => entry._tag === "Failed" && entry.member === name)
        failed.push(`the work of "${name}" ended in ${exit._tag}: ${JSON.stringify(why)}`)
      }
    }
    for (const { entries, leave, name } of others) {
      const isGone = (yield* Effect.sync(() => world.entries)).some((one) => one._tag === "Gone" && one.member === name)
      if (!isGone) yield* leave
      for (const entry of yield* entries) add(entry)
    }
    const course: Course = {
      ...final,
      written: load.written,
      entries: merged(entries),
      mayMissCommits,
      mayCutOff: trial.mayCutOff ?? false
    }
    const found = judge(course)
    const lost = course.entries.flatMap((entry) => {
      if (entry._tag === "Gone") return [entry.member]
      return entry._tag === "Told" && entry.event === "Lost" ? [`${entry.member} (${entry.why})`] : []
    })
    const unexpected = mayLose || lost.length === 0 ? [] : [`partitions were lost by ${[...new Set(lost)].join(", ")}`]
    const gaps = [...missing(course), ...failed, ...unexpected]
    return { recoveredMillis, found, gaps, operations: [] }
  })

/** A scenario of a trial. */
export const inGroup = (name: string, covers: Covers, about: (lab: Lab) => GroupTrial): Scenario => ({
  name,
  covers,
  run: (lab, seed) =>
    Trial.judged(
      { name, seed },
      () => run(lab, seed, about(lab)),
      (judgement) => judgement
    )
})

/** The name of a scenario in the consumer protocol. */
export const inConsumerProtocol = (name: string): string => `${name}, in the consumer protocol`

/** The same for both protocols. */
export const inBoth = (
  name: string,
  covers: Covers,
  about: (lab: Lab, protocol: Protocol) => Omit<GroupTrial, "protocol">
): ReadonlyArray<Scenario> => [
  inGroup(name, covers, (lab) => ({ ...about(lab, "classic"), protocol: "classic" })),
  inGroup(inConsumerProtocol(name), covers, (lab) => ({ ...about(lab, "consumer"), protocol: "consumer" }))
]

/** What `npm test` tries of them: all in the classic protocol, and those of these names in the consumer protocol, too. */
export const tried = (
  scenarios: ReadonlyArray<Scenario>,
  alsoInConsumerProtocol: ReadonlyArray<string>
): ReadonlyArray<Scenario> => {
  const also = new Set(alsoInConsumerProtocol.map(inConsumerProtocol))
  return scenarios.filter(({ name }) => isWhole || !name.endsWith(inConsumerProtocol("")) || also.has(name))
}
