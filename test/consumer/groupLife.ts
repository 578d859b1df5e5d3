/** A group at random: members that come, go, work, fail and are cut off, and a coordinator that has its faults. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { EmbeddedKafka, type KafkaConsumer, type KafkaProtocol } from "../../src/index.ts"
import { withClock } from "../support/effect/v4/clock.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { withSeed } from "../support/effect/v4/random.ts"
import { ManualClock } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { turns } from "../support/turns.ts"
import { BEAT, GROUP, GroupModel, type Ours, placeOf, REBALANCE, SESSION, TOPICS } from "./groupModel.ts"
import { beginOurs, Chance, closeOurs } from "./groupWorkers.ts"

const MOST_OURS = 4
const MOST_FOREIGN = 2
const MOST_PARTITIONS = 6

/** How many steps of half a second a group may take to come to rest. */
const REST_STEPS = 400

/** The requests of members, and codes that a coordinator may refuse them with. */
const CODES: ReadonlyArray<readonly [KafkaProtocol.ApiName, ReadonlyArray<number>]> = [
  ["FindCoordinator", [15]],
  ["JoinGroup", [14, 15, 16, 25]],
  ["SyncGroup", [14, 15, 16, 22, 25, 27]],
  ["Heartbeat", [14, 15, 16, 22, 25, 27]],
  ["OffsetCommit", [14, 15, 16, 22, 25, 27]],
  ["OffsetFetch", [14, 15, 16, 88]],
  ["ConsumerGroupHeartbeat", [14, 15, 16, 25, 110]]
]

/** Codes that say that the coordinator is elsewhere, or not ready: all that members know to deal with that a test plays. */
const HIGHEST_OF_AWAY = 16

interface Foreign {
  readonly member: EmbeddedKafka.ForeignMember
  readonly scope: Scope.Closeable
}

/** Lets all that can run come to where it waits. */
const quiet = turns(40)

class Life {
  private readonly foreign: Array<Foreign> = []
  /** Members that are cut off from all brokers, until a time. */
  private readonly cuts: Array<{ readonly scope: Scope.Closeable; readonly until: number }> = []
  private readonly stopped = new Set<number>()
  private made = 0
  private records = 0

  constructor(
    private readonly model: GroupModel,
    private readonly chance: Chance,
    private readonly nodes: number,
    private readonly mode: "classic" | "consumer" | "both",
    private readonly assignor: KafkaConsumer.Assignor,
    private readonly faults: Scope.Closeable
  ) {}

  private get kafka(): EmbeddedKafka.EmbeddedKafka {
    return this.model.kafka
  }

  private get protocol(): "classic" | "consumer" {
    return this.mode === "both" ? (this.chance.is(0.5) ? "classic" : "consumer") : this.mode
  }

  // -------------------------------------------------------------------------------------------------------------------
  // ours
  // -------------------------------------------------------------------------------------------------------------------

  /** The instance id of a static member: that of one that is closed, if there is one, or a new one. */
  private get instanceId(): string {
    const taken = new Set(this.model.ours.flatMap((one) => (one.state === "closed" ? [] : [one.instanceId])))
    return (
      this.model.ours.map((one) => one.instanceId).find((id) => id !== undefined && !taken.has(id)) ?? `i${this.made}`
    )
  }

  private readonly begin = Effect.suspend(() => {
    if (this.model.live.length >= MOST_OURS) return Effect.void
    const name = `c${++this.made}`
    const instanceId = this.chance.is(0.15) ? this.instanceId : undefined
    return beginOurs(this.model, this.chance, { name, protocol: this.protocol, assignor: this.assignor, instanceId })
  })

  private withLive<A, E>(step: (ours: Ours) => Effect.Effect<A, E>): Effect.Effect<unknown, E> {
    return Effect.suspend(() => {
      const ours = this.chance.of(this.model.live)
      return ours === undefined ? Effect.void : step(ours)
    })
  }

  /** Cuts a member off from all brokers for so long. */
  private cut(ours: Ours, millis: number, fault: EmbeddedKafka.Fault) {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(this.kafka.inject(fault, { clientId: ours.name }), scope)
      if (fault._tag === "Disconnect") yield* this.kafka.disconnect({ clientId: ours.name })
      this.cuts.push({ scope, until: this.model.clock.evenMillis() + millis })
      this.model.note(`${ours.name} is cut off for ${millis} ms: ${fault._tag}`)
    })
  }

  /** A member that is gone without a word: it is cut off for good, and closed. */
  private readonly vanish = this.withLive((ours) =>
    Effect.andThen(this.cut(ours, Number.POSITIVE_INFINITY, { _tag: "Disconnect" }), closeOurs(this.model, ours))
  )

  private readonly split = this.withLive((ours) =>
    this.cut(ours, this.chance.below(25_000), { _tag: this.chance.is(0.5) ? "Hang" : "Disconnect" })
  )

  private readonly commit = this.withLive(({ consumer, scope }) =>
    consumer === undefined ? Effect.void : Effect.forkIn(Effect.ignore(consumer.commit()), scope)
  )

  // -------------------------------------------------------------------------------------------------------------------
  // others
  // -------------------------------------------------------------------------------------------------------------------

  private readonly join = Effect.gen({ self: this }, function* () {
    if (this.foreign.length >= MOST_FOREIGN) return
    const { protocol } = this
    const scope = yield* Scope.make()
    const clientId = `f${++this.made}`
    this.model.note(`${clientId} joins, ${protocol}`)
    const common = { topics: TOPICS, clientId, rebalanceTimeout: REBALANCE }
    const options =
      protocol === "consumer"
        ? { ...common, protocol }
        : { ...common, assignor: this.assignor, sessionTimeout: SESSION, heartbeatInterval: BEAT }
    this.foreign.push({ member: yield* Scope.provide(this.kafka.member(GROUP, options), scope), scope })
  })

  private readonly part = Effect.suspend(() => {
    const [foreign] = this.foreign.splice(this.chance.below(this.foreign.length), 1)
    if (foreign === undefined) return Effect.void
    const isGraceful = this.chance.is(0.6)
    this.model.note(`a foreign member ${isGraceful ? "leaves" : "vanishes"}`)
    const { member, scope } = foreign
    return Effect.forkDetach(Effect.andThen(isGraceful ? member.leave : member.vanish, Scope.close(scope, Exit.void)))
  })

  private readonly hold = Effect.suspend(() => {
    const foreign = this.chance.of(this.foreign)
    if (foreign === undefined) return Effect.void
    return this.chance.is(0.4) ? foreign.member.holdRevocation : foreign.member.release
  })

  private readonly kick = Effect.gen({ self: this }, function* () {
    const member = this.chance.of(yield* this.model.members)
    if (member === undefined) return
    this.model.note(`${member.clientId} is taken out`)
    yield* Effect.ignore(this.kafka.kick(GROUP, member.memberId))
  })

  // -------------------------------------------------------------------------------------------------------------------
  // the cluster
  // -------------------------------------------------------------------------------------------------------------------

  private readonly append = Effect.suspend(() => {
    const records = Array.from({ length: 1 + this.chance.below(5) }, () => ({
      key: `k${this.chance.below(12)}`,
      value: `${this.records++}`
    }))
    return Effect.ignore(this.kafka.append(this.chance.of(TOPICS)!, records))
  })

  private get someFault(): EmbeddedKafka.Fault {
    const kind = this.chance.below(4)
    if (kind < 2) return { _tag: "Disconnect", applied: this.chance.is(0.6) }
    return kind === 2
      ? { _tag: "Hang", applied: this.chance.is(0.6) }
      : { _tag: "Delay", millis: this.chance.below(3_000) }
  }

  private readonly fault = Effect.suspend(() => {
    const [request, codes] = this.chance.of(CODES)!
    const code = this.chance.of(codes)!
    const ours = this.chance.is(0.6) ? this.chance.of(this.model.live) : undefined
    const isCode = this.chance.is(0.35) && (ours !== undefined || code <= HIGHEST_OF_AWAY)
    const fault: EmbeddedKafka.Fault = isCode ? { _tag: "ErrorCode", code } : this.someFault
    const times = 1 + this.chance.below(3)
    const target = { request, times, ...(ours === undefined ? {} : { clientId: ours.name }) }
    this.model.note(`fault: ${JSON.stringify(fault)} for ${JSON.stringify(target)}`)
    return Scope.provide(this.kafka.inject(fault, target), this.faults)
  })

  private readonly move = Effect.suspend(() => {
    const nodes = Array.from({ length: this.nodes }, (_, node) => node)
    const node = this.chance.of(nodes.filter((one) => !this.stopped.has(one)))
    if (node === undefined) return Effect.void
    const loadingFor = this.chance.is(0.5) ? 0 : this.chance.below(4_000)
    this.model.note(`node ${node} coordinates, and loads for ${loadingFor} ms`)
    return Effect.ignore(this.kafka.moveCoordinator(GROUP, node, { loadingFor }))
  })

  private readonly stopOrStart = Effect.suspend(() => {
    const [stopped] = this.stopped
    if (stopped !== undefined) {
      this.stopped.delete(stopped)
      this.model.note(`node ${stopped} starts`)
      return Effect.ignore(this.kafka.startNode(stopped))
    }
    const node = this.chance.below(this.nodes)
    this.stopped.add(node)
    this.model.note(`node ${node} stops`)
    return Effect.ignore(this.kafka.stopNode(node))
  })

  private readonly grow = Effect.gen({ self: this }, function* () {
    const topic = this.chance.of(TOPICS)!
    const count = (yield* this.kafka.topics).get(topic)!.partitions.length
    if (count >= MOST_PARTITIONS) return
    this.model.note(`${topic} has ${count + 1} partitions`)
    this.model.grown.add(placeOf({ topic, partition: count }))
    yield* Effect.ignore(this.kafka.addPartitions(topic, count + 1))
  })

  // -------------------------------------------------------------------------------------------------------------------
  // time
  // -------------------------------------------------------------------------------------------------------------------

  private advance(millis: number): Effect.Effect<void> {
    return Effect.andThen(this.model.clock.adjust(millis), this.look)
  }

  /** All stands still for so long, as on a machine that was suspended. */
  private readonly freeze = Effect.suspend(() => {
    const millis = 1_000 + this.chance.below(2 * SESSION)
    this.model.note(`all stands still for ${millis} ms`)
    this.model.clock.unsafeSetTime(this.model.clock.evenMillis() + millis)
    return this.look
  })

  private readonly look = Effect.suspend(() => {
    const now = this.model.clock.evenMillis()
    const over = this.cuts.filter(({ until }) => until <= now)
    for (const cut of over) this.cuts.splice(this.cuts.indexOf(cut), 1)
    return Effect.forEach(over, ({ scope }) => Scope.close(scope, Exit.void), { discard: true }).pipe(
      Effect.andThen(quiet),
      Effect.andThen(this.model.look),
      Effect.andThen(this.model.check)
    )
  })

  /** What may happen, and how often of all. */
  private readonly steps: ReadonlyArray<readonly [weight: number, step: Effect.Effect<unknown, unknown>]> = [
    [22, this.append],
    [34, Effect.suspend(() => this.advance(20 + this.chance.below(1_500)))],
    [4, Effect.suspend(() => this.advance(this.chance.below(20_000)))],
    [1, this.freeze],
    [8, this.begin],
    [4, this.withLive((ours) => closeOurs(this.model, ours))],
    [2, this.vanish],
    [2, this.split],
    [2, this.commit],
    [3, this.join],
    [3, this.part],
    [3, this.hold],
    [1, this.kick],
    [10, this.fault],
    [2, this.move],
    [2, this.stopOrStart],
    [1, this.grow]
  ]

  /** One of the things that may happen. */
  readonly step = Effect.suspend(() => {
    let at = this.chance.below(this.steps.reduce((sum, [weight]) => sum + weight, 0))
    const [, step] = this.steps.find(([weight]) => (at -= weight) < 0)!
    return Effect.andThen(step, this.look)
  })

  /** Waits until nothing is left of this. */
  private until(left: Effect.Effect<ReadonlyArray<string>>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let i = 0; i < REST_STEPS; i++) {
        if ((yield* left).length === 0) return
        yield* this.advance(500)
      }
      const view = (yield* this.kafka.groups).get(GROUP)
      this.model.problem(`it does not come to rest: ${(yield* left).join(", ")}; ${JSON.stringify(view)}`)
      yield* this.model.check
    })
  }

  private readonly untilRest = this.until(
    Effect.suspend(() =>
      Effect.flatMap(
        Effect.forEach(this.foreign, ({ member }) => member.assigned),
        (foreign) => this.model.unrest(foreign)
      )
    )
  )

  /** Ends all faults, and looks at what the group comes to: with members that the test plays, without, and at the end. */
  readonly calm = Effect.gen({ self: this }, function* () {
    this.model.note("calm")
    yield* Scope.close(this.faults, Exit.void)
    for (const cut of this.cuts) if (Number.isFinite(cut.until)) yield* Scope.close(cut.scope, Exit.void)
    for (const node of this.stopped) yield* Effect.ignore(this.kafka.startNode(node))
    for (const { member } of this.foreign) yield* member.release
    if (this.model.live.length === 0) yield* this.begin
    yield* this.untilRest
    this.model.note("without foreign members")
    for (const { member } of this.foreign.splice(0)) yield* Effect.forkDetach(member.leave)
    yield* this.untilRest
    yield* this.model.lookAtCommits
    for (const ours of this.model.live) yield* closeOurs(this.model, ours)
    yield* this.until(
      Effect.sync(() =>
        this.model.ours.filter(({ state }) => state !== "closed").map(({ name }) => `${name} is not closed`)
      )
    )
    yield* this.model.check
  })
}

/** One life of a group, of so many steps. */
export const live = (seed: number, steps: number): Effect.Effect<void, unknown> =>
  Effect.suspend(() => {
    const clock = new ManualClock(1_000_000)
    return Effect.gen(function* () {
      const chance = new Chance(randomOf(seed))
      const nodes = 1 + chance.below(3)
      const topics = Object.fromEntries(
        TOPICS.map((topic) => [topic, { partitions: 1 + chance.below(4), replicationFactor: nodes }])
      )
      const kafka = yield* EmbeddedKafka.make({
        nodes,
        topics,
        groups: { sessionTimeout: SESSION, heartbeatInterval: BEAT }
      })
      const mode = chance.of(["classic", "consumer", "both"] as const)!
      const model = new GroupModel(kafka, clock, mode !== "both")
      yield* kafka.intercept("OffsetCommit", ({ clientId, request }, answer) => {
        const ours = model.ours.find(({ name }) => name === clientId)
        if (ours === undefined) return answer
        return Effect.gen(function* () {
          const places = request.partitions.map(({ partition, topic }) => placeOf({ topic: topic.name, partition }))
          const owners = yield* Effect.forEach(places, (place, i) =>
            model.committing(ours, place, request.partitions[i].offset)
          )
          const answered = yield* answer
          answered.partitions.forEach(({ errorCode, partition, topic }) => {
            const place = placeOf({ topic: topic.name, partition })
            const owner = owners[places.indexOf(place)]
            if (errorCode === 0 && owner !== undefined) {
              model.problem(`${ours.name} has committed ${place}, which is ${owner.name}'s`)
            }
          })
          return answered
        })
      })
      const assignor = chance.of(["cooperative-sticky", "cooperative-sticky", "range", "roundrobin"] as const)!
      model.note(`${nodes} nodes, ${mode}, ${assignor}, ${JSON.stringify(topics)}`)
      const faults = yield* Scope.make()
      const life = new Life(model, chance, nodes, mode, assignor, faults)
      for (let i = 0; i < steps; i++) yield* life.step
      yield* life.calm
    }).pipe(Effect.scoped, withSeed(seed), withoutLogs, withClock(clock))
  })
