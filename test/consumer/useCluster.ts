/** What changes around a consumer: its group, its topics, and what its brokers answer. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { EmbeddedKafka, KafkaProtocol } from "../../src/index.ts"
import { BEAT, GROUP, placeOf, REBALANCE, SESSION, TOPICS } from "./groupModel.ts"
import type { Stage } from "./useStage.ts"

/** The requests that go wrong, and codes that they may be refused with. */
const FAULTY: ReadonlyArray<readonly [KafkaProtocol.ApiName, ReadonlyArray<number>]> = [
  ["OffsetCommit", [14, 15, 16, 27]],
  ["OffsetFetch", [14, 16, 88]],
  ["ListOffsets", []],
  ["Fetch", []]
]

export const clusterSteps = (stage: Stage) => {
  const join = Effect.gen(function* () {
    if (stage.foreign !== undefined) return
    const { protocol } = stage
    const scope = yield* Scope.make()
    stage.model.note("a foreign member joins")
    const common = { topics: TOPICS, clientId: "foreign", rebalanceTimeout: REBALANCE }
    const options =
      protocol === "consumer"
        ? { ...common, protocol }
        : { ...common, assignor: "cooperative-sticky" as const, sessionTimeout: SESSION, heartbeatInterval: BEAT }
    stage.foreign = { member: yield* Scope.provide(stage.kafka.member(GROUP, options), scope), scope }
  })

  const part = Effect.suspend(() => {
    const { foreign } = stage
    if (foreign === undefined) return Effect.void
    stage.foreign = undefined
    stage.model.note("the foreign member leaves")
    return Effect.forkDetach(Effect.andThen(foreign.member.leave, Scope.close(foreign.scope, Exit.void)))
  })

  const kick = stage.withUse((use) =>
    Effect.gen(function* () {
      const members = (yield* stage.kafka.groups).get(GROUP)?.members ?? []
      const member = members.find(({ clientId }) => clientId === use.name)
      if (member === undefined) return
      stage.model.note("is taken out")
      yield* Effect.ignore(stage.kafka.kick(GROUP, member.memberId))
    })
  )

  const someRecords = () =>
    Array.from({ length: 1 + stage.chance.below(8) }, () => ({
      key: `k${stage.chance.below(4)}`,
      value: stage.chance.is(0.07) ? null : `${stage.records++}`
    }))

  const append = Effect.gen(function* () {
    const place = stage.somewhere
    const records = someRecords()
    const positions = yield* stage.kafka.append(place.topic, records, { partition: place.partition })
    positions.forEach(({ offset }, i) => stage.model.logs.written(placeOf(place), offset, records[i].value === null))
  })

  const transact = Effect.gen(function* () {
    stage.open ??= { transaction: yield* stage.kafka.transaction, places: [] }
    const { places, transaction } = stage.open
    const place = stage.somewhere
    const records = someRecords().map(({ key }) => ({ key, value: `${stage.records++}` }))
    const positions = yield* transaction.append(place.topic, records, { partition: place.partition })
    for (const { offset } of positions) places.push([placeOf(place), offset])
  })

  const endTransaction = Effect.suspend(() => {
    const { open } = stage
    if (open === undefined) return Effect.void
    stage.open = undefined
    if (stage.chance.is(0.5)) return open.transaction.abort
    for (const [place, offset] of open.places) stage.model.logs.written(place, offset, false)
    return open.transaction.commit
  })

  const truncate = Effect.gen(function* () {
    const place = stage.somewhere
    const { highWatermark, lastStableOffset } = (yield* stage.kafka.topics).get(place.topic)!.partitions[
      place.partition
    ]
    const log = stage.model.logs.of(placeOf(place))
    const offset = log.start + stage.chance.below(Math.min(highWatermark, lastStableOffset) + 1 - log.start)
    stage.model.note(`deletes ${placeOf(place)} up to ${offset}`)
    log.start = Math.max(log.start, offset)
    yield* stage.kafka.deleteRecords(place.topic, place.partition, offset)
  })

  const fault = stage.withUse((use) =>
    Effect.suspend(() => {
      const [request, codes] = stage.chance.of(FAULTY)!
      const code = stage.chance.is(0.4) ? stage.chance.of(codes) : undefined
      const kind = stage.chance.below(3)
      const fault: EmbeddedKafka.Fault =
        code !== undefined
          ? { _tag: "ErrorCode", code }
          : kind === 0
            ? { _tag: "Delay", millis: stage.chance.below(3_000) }
            : { _tag: kind === 1 ? "Hang" : "Disconnect", applied: stage.chance.is(0.5) }
      const times = 1 + stage.chance.below(2)
      stage.model.note(`fault: ${request} ${JSON.stringify(fault)} ${times} times`)
      return Scope.provide(stage.kafka.inject(fault, { request, times, clientId: use.name }), stage.faults)
    })
  )

  return { join, part, kick, append, transact, endTransaction, truncate, fault }
}
