/** A source reads any partitions of any topics, from given offsets, and cursors come and go while it runs. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { FetchedPartition, FetchRequest, MetadataRequest } from "../../src/KafkaProtocol.ts"
import { isRunning, nothingNew, settle, topic, withTopic } from "../support/answers.ts"
import type { FakeCluster } from "../support/FakeCluster.ts"
import { BACKOFF, DENIED_RETRY, it, MAX_WAIT, METADATA_AGE, pass, watch, type Watched } from "./support.ts"

const OTHER = "other"

const append = (cluster: FakeCluster, name: string, count: number, partition = 0): void => {
  for (let i = 0; i < count; i++) cluster.append(name, [{ key: `${name}-${i}`, value: "1" }], partition)
}

/** A second topic beside the one that is followed. */
const withOther = (partitions = 1, nodes = 1): FakeCluster => {
  const cluster = withTopic(1, nodes)
  cluster.createTopic(OTHER, partitions)
  return cluster
}

/** What was told: where partitions begin, what came of them, and what is cut off. */
const told = ({ events }: Watched): ReadonlyArray<string> =>
  events.flatMap((event) => {
    switch (event._tag) {
      case "PartitionCount":
        return [`${event.topic} has ${event.count}`]
      case "Opened":
        return [`${event.topic}/${event.partition} from ${event.start} to ${event.end}`]
      case "Fetched":
        return event.partitions.flatMap(({ partition, records, topic }) =>
          records.length === 0 ? [] : [`${topic}/${partition}: records`]
        )
      case "Truncated":
        return [`${event.topic}/${event.partition} ${event.error.reason} ${event.error.from} ${event.error.to}`]
      case "Fatal":
        return [`fatal ${event.topic ?? "all"} ${event.error.reason}`]
      default:
        return [event._tag]
    }
  })

/** The topics that a request for metadata is about. */
const topicsOf = (detail: unknown): ReadonlyArray<string> => {
  const { topics } = detail as MetadataRequest
  return topics === "all" ? [] : topics
}

/** The topics and partitions of the last fetch. */
const lastAsked = (watched: Watched): ReadonlyArray<string> =>
  (watched.fetches().at(-1)?.partitions ?? [])
    .map(({ fetchOffset, partition, topic }) => `${topic.name}/${partition} at ${fetchOffset}`)
    .sort()

describe("several topics", () => {
  it.effect("of one leader are in one request, and in one answer", () =>
    Effect.gen(function* () {
      const cluster = withOther(2)
      const watched = yield* watch(cluster)
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(lastAsked(watched), [`${OTHER}/0 at 0`, `${OTHER}/1 at 0`, `${topic}/0 at 0`])
      watched.forget()
      append(cluster, topic, 1)
      append(cluster, OTHER, 1, 1)
      yield* pass(MAX_WAIT)
      assert.sameMembers([...told(watched)], [`${topic}/0: records`, `${OTHER}/1: records`])
      assert.deepStrictEqual(lastAsked(watched), [`${OTHER}/0 at 0`, `${OTHER}/1 at 1`, `${topic}/0 at 1`])
    })
  )

  it.effect("are followed each by its own metadata: partitions that one gets later are its own", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      const watched = yield* watch(cluster)
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      watched.forget()
      cluster.addPartition(OTHER)
      yield* pass(METADATA_AGE + MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER} has 2`, `${OTHER}/1 from 0 to 0`])
      assert.deepStrictEqual([watched.all.cursors(topic).size, watched.all.cursors(OTHER).size], [1, 2])
    })
  )

  it.effect("one of which nothing is known yet is in no other one's way", () =>
    Effect.gen(function* () {
      const cluster = withOther(1, 2)
      cluster.before = (request, _, detail) =>
        request === "Metadata" && topicsOf(detail).includes(OTHER) ? Effect.never : undefined
      const watched = yield* watch(cluster)
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      const broken = yield* Effect.forkChild(watched.all.broken)
      watched.forget()
      append(cluster, topic, 1)
      watched.source.refresh()
      yield* pass(MAX_WAIT)
      assert.isTrue(yield* isRunning(broken))
      assert.deepStrictEqual(told(watched), [`${topic}/0: records`])
      // nobody is asked for what has no leader yet
      assert.strictEqual(watched.all.cursors(OTHER).get(0)?.leader, -1)
      assert.isUndefined(watched.all.description(OTHER))
      assert.lengthOf(watched.requests("ListOffsets"), 0)
    })
  )

  it.effect("one that is described by a broker that knows fewer brokers leaves the other one its leader", () =>
    Effect.gen(function* () {
      const cluster = withOther(1, 2)
      cluster.moveLeader(topic, 1)
      append(cluster, topic, 2)
      const watched = yield* watch(cluster)
      cluster.before = (request, _, detail) => {
        if (request !== "Metadata") return undefined
        // the topic that is led by the broker in question is not described again
        if (!topicsOf(detail).includes(OTHER)) return Effect.never
        return Effect.sync(() => {
          const { id } = cluster.topic(OTHER)
          const led = { errorCode: 0, partition: 0, leader: 0, leaderEpoch: 0 }
          return {
            brokers: [cluster.cluster.brokerOf(0)],
            controllerId: 0,
            topics: [{ errorCode: 0, name: OTHER, id, partitions: [led] }]
          }
        })
      }
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      assert.include(told(watched), `${OTHER}/0 from 0 to 0`)
      watched.forget()
      watched.source.refetch(0, 1)
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(
        watched.requests("connect").map(({ node }) => node),
        [1]
      )
      assert.deepStrictEqual(told(watched), [`${topic}/0: records`])
    })
  )

  it.effect("one that is deleted says so of itself, and the other one is read on", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      const watched = yield* watch(cluster)
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      watched.forget()
      cluster.deleteTopic(OTHER)
      yield* pass(METADATA_AGE)
      assert.include(told(watched), `fatal ${OTHER} Deleted`)
      watched.forget()
      append(cluster, topic, 1)
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${topic}/0: records`])
    })
  )
})

describe("a cursor of which its consumer has enough", () => {
  it.effect("is not asked for, others are; and is again when there is room", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      const watched = yield* watch(cluster)
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(lastAsked(watched), [`${OTHER}/0 at 0`, `${topic}/0 at 0`])
      watched.all.hold(OTHER, 0, true)
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(lastAsked(watched), [`${topic}/0 at 0`])
      watched.all.hold(OTHER, 0, false)
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(lastAsked(watched), [`${OTHER}/0 at 0`, `${topic}/0 at 0`])
    })
  )

  it.effect("alone, it leaves its leader unasked", () =>
    Effect.gen(function* () {
      const watched = yield* watch(withTopic())
      yield* pass(MAX_WAIT)
      watched.all.hold(topic, 0, true)
      yield* pass(MAX_WAIT)
      watched.forget()
      yield* pass(10 * MAX_WAIT)
      assert.lengthOf(watched.fetches(), 0)
    })
  )

  it.effect("is asked for from another offset on, as nothing of that is there yet", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      append(cluster, topic, 5)
      const watched = yield* watch(cluster)
      yield* pass(MAX_WAIT)
      for (const jump of [() => watched.all.reopen(topic, 0, 2), () => watched.all.refetch(topic, 0, 2)]) {
        watched.all.hold(topic, 0, true)
        yield* pass(MAX_WAIT)
        watched.forget()
        jump()
        yield* pass(MAX_WAIT)
        assert.strictEqual(watched.fetches()[0].partitions[0].fetchOffset, 2)
      }
    })
  )
})

describe("given offsets", () => {
  it.effect("are where partitions are read from, and no other partitions of the topic are", () =>
    Effect.gen(function* () {
      const cluster = withOther(3, 2)
      for (const partition of [0, 1, 2]) append(cluster, OTHER, 5, partition)
      const watched = yield* watch(cluster)
      watched.forget()
      yield* watched.all.add(
        OTHER,
        new Map([
          [0, 3],
          [2, 5]
        ])
      )
      yield* pass(MAX_WAIT)
      assert.sameMembers(
        [...told(watched)],
        [`${OTHER}/0 from 3 to 5`, `${OTHER}/2 from 5 to 5`, `${OTHER}/0: records`]
      )
      assert.deepStrictEqual([...watched.all.cursors(OTHER).keys()], [0, 2])
      const first = watched.fetches().flatMap(({ partitions }) => partitions.filter((p) => p.topic.name === OTHER))
      assert.strictEqual(first.find(({ partition }) => partition === 0)?.fetchOffset, 3)
    })
  )

  it.effect("each at its own leader, of a topic that is described already", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      const watched = yield* watch(cluster)
      yield* watched.all.remove(topic, [0, 1])
      yield* pass(MAX_WAIT)
      watched.forget()
      yield* watched.all.add(topic, new Map([[1, 0]]))
      assert.strictEqual(watched.partition(1).leader, 1)
      yield* pass(MAX_WAIT)
      assert.lengthOf(watched.requests("Metadata"), 0)
      assert.deepStrictEqual([...new Set(watched.requests("Fetch").map(({ node }) => node))], [1])
    })
  )

  it.effect("at a leader that led nothing that was read until then", () =>
    Effect.gen(function* () {
      const cluster = withOther(2, 2)
      cluster.moveLeader(OTHER, 1, 1)
      append(cluster, OTHER, 3, 1)
      const watched = yield* watch(cluster)
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      yield* pass(MAX_WAIT)
      watched.forget()
      yield* watched.all.add(OTHER, new Map([[1, 2]]))
      yield* pass(MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER}/1 from 2 to 3`, `${OTHER}/1: records`])
      assert.lengthOf(watched.requests("Metadata"), 0)
    })
  )

  it.effect("may be none: then a partition is read from where its log begins", () =>
    Effect.gen(function* () {
      const cluster = withOther(2)
      append(cluster, OTHER, 5)
      cluster.truncateHead(OTHER, 3)
      const watched = yield* watch(cluster)
      watched.forget()
      yield* watched.all.add(
        OTHER,
        new Map([
          [0, undefined],
          [1, undefined]
        ])
      )
      yield* pass(MAX_WAIT)
      assert.sameMembers(
        [...told(watched)],
        [`${OTHER}/0 from 3 to 5`, `${OTHER}/1 from 0 to 0`, `${OTHER}/0: records`]
      )
    })
  )

  it.effect(
    "that the log does not hold any more, or not yet, are told; the partition is held until it is decided",
    () =>
      Effect.gen(function* () {
        const cluster = withOther(2)
        for (const partition of [0, 1]) append(cluster, OTHER, 5, partition)
        cluster.truncateHead(OTHER, 2)
        const watched = yield* watch(cluster)
        watched.forget()
        yield* watched.all.add(
          OTHER,
          new Map([
            [0, 1],
            [1, 6]
          ])
        )
        yield* pass(MAX_WAIT)
        assert.sameMembers([...told(watched)], [`${OTHER}/0 Head 1 2`, `${OTHER}/1 Tail 6 5`])
        assert.deepStrictEqual(
          [...watched.all.cursors(OTHER).values()].map(({ phase }) => phase),
          ["held", "held"]
        )
        watched.forget()
        watched.all.reopen(OTHER, 0)
        watched.all.reopen(OTHER, 1, 4)
        yield* pass(MAX_WAIT)
        assert.sameMembers(
          [...told(watched)],
          [`${OTHER}/0 from 2 to 5`, `${OTHER}/1 from 4 to 5`, `${OTHER}/0: records`, `${OTHER}/1: records`]
        )
      })
  )
})

describe("a cursor that is taken away", () => {
  it.effect("in the middle of a fetch delivers nothing more; the others of the answer do", () =>
    Effect.gen(function* () {
      const cluster = withOther(2)
      const watched = yield* watch(cluster)
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      // a request that asks for both is under way
      assert.deepStrictEqual(lastAsked(watched), [`${OTHER}/0 at 0`, `${OTHER}/1 at 0`, `${topic}/0 at 0`])
      watched.forget()
      yield* watched.all.remove(OTHER, [0])
      append(cluster, OTHER, 1, 0)
      append(cluster, OTHER, 1, 1)
      yield* pass(2 * MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER}/1: records`])
      assert.deepStrictEqual(lastAsked(watched), [`${OTHER}/1 at 1`, `${topic}/0 at 0`])
      assert.deepStrictEqual([...watched.all.cursors(OTHER).keys()], [1])
    })
  )

  it.effect("of a topic that is followed does not come back, while partitions that it gets later come", () =>
    Effect.gen(function* () {
      const cluster = withOther(2)
      const watched = yield* watch(cluster)
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      yield* watched.all.remove(OTHER, [0])
      // whoever led it
      cluster.moveLeader(OTHER, -1, 0)
      watched.forget()
      append(cluster, OTHER, 1, 1)
      yield* pass(METADATA_AGE + MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER}/1: records`])
      assert.isUndefined(watched.source.lastFailure())
      watched.forget()
      cluster.addPartition(OTHER)
      yield* pass(METADATA_AGE + MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER} has 3`, `${OTHER}/2 from 0 to 0`])
      // one for each topic: nobody waits for the leader of what is not read
      assert.lengthOf(watched.requests("Metadata"), 2)
      // it is given, and read
      cluster.moveLeader(OTHER, 0, 0)
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      yield* pass(MAX_WAIT)
      assert.sameMembers([...watched.all.cursors(OTHER).keys()], [0, 1, 2])
    })
  )

  it.effect("of a topic that is followed, as the last one: partitions that it gets later come", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      const watched = yield* watch(cluster)
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      yield* watched.all.remove(OTHER)
      assert.strictEqual(watched.all.cursors(OTHER).size, 0)
      watched.forget()
      cluster.addPartition(OTHER)
      yield* pass(METADATA_AGE + MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER} has 2`, `${OTHER}/1 from 0 to 0`])
    })
  )

  it.effect("of a topic that is not followed leaves those that were added beside it", () =>
    Effect.gen(function* () {
      const cluster = withOther(2)
      const watched = yield* watch(cluster)
      yield* watched.all.add(
        OTHER,
        new Map([
          [0, 0],
          [1, 0]
        ])
      )
      yield* pass(MAX_WAIT)
      yield* watched.all.remove(OTHER, [0])
      watched.forget()
      append(cluster, OTHER, 1, 1)
      yield* pass(METADATA_AGE + MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER}/1: records`])
      const described = () => new Set(watched.requests("Metadata").flatMap(({ detail }) => topicsOf(detail)))
      assert.deepStrictEqual(described(), new Set([topic, OTHER]))
      // and with the last of them, the topic is not asked for any more
      yield* watched.all.remove(OTHER, [1])
      watched.forget()
      yield* pass(2 * METADATA_AGE)
      assert.deepStrictEqual(described(), new Set([topic]))
    })
  )

  it.effect("while its records wait to be taken: they are not taken, and the others are", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      append(cluster, topic, 1)
      append(cluster, OTHER, 1)
      const watched = yield* watch(cluster, {}, false)
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      const next = Effect.map(watched.all.take, (event) => watched.events.push(event))
      for (let i = 0; i < 3; i++) yield* Effect.andThen(next, settle)
      assert.lengthOf(watched.events, 3)
      watched.forget()
      yield* pass(MAX_WAIT)
      yield* watched.all.remove(OTHER)
      yield* Effect.forkScoped(Effect.forever(next))
      append(cluster, topic, 1)
      yield* pass(2 * MAX_WAIT)
      assert.isNotEmpty(told(watched))
      for (const line of told(watched)) assert.notInclude(line, OTHER)
    })
  )

  it.effect(
    "while it waits to be told that its log is no continuation: that is told no more, nor of the next one",
    () =>
      Effect.gen(function* () {
        for (const isAddedAgain of [false, true]) {
          const cluster = withOther()
          append(cluster, OTHER, 5)
          let first = true
          cluster.before = (request, _, detail) => {
            if (request !== "Fetch" || !first) return undefined
            if (!(detail as FetchRequest).partitions.some((p) => p.topic.name === OTHER)) return undefined
            first = false
            cluster.truncateHead(OTHER, 3)
            return undefined
          }
          const watched = yield* watch(cluster, {}, false)
          yield* watched.all.add(OTHER, new Map([[0, 1]]))
          const next = Effect.map(watched.all.take, (event) => watched.events.push(event))
          for (let i = 0; i < 3; i++) yield* Effect.andThen(next, settle)
          yield* pass(MAX_WAIT)
          watched.forget()
          assert.isFalse(first)
          assert.strictEqual(watched.all.cursors(OTHER).get(0)?.phase, "held")
          if (isAddedAgain) yield* watched.all.add(OTHER, new Map([[0, 4]]))
          else yield* watched.all.remove(OTHER)
          const taking = yield* Effect.forkScoped(Effect.forever(next))
          yield* pass(MAX_WAIT)
          assert.isTrue(yield* isRunning(taking))
          const ofOther = told(watched).filter((line) => line.includes(OTHER))
          assert.deepStrictEqual(ofOther, isAddedAgain ? [`${OTHER}/0 from 4 to 5`, `${OTHER}/0: records`] : [])
        }
      })
  )

  it.effect("while one answer has its records and another one's: only those of the other one are taken, if any", () =>
    Effect.gen(function* () {
      for (const [away, rest] of [
        [[0], ["1"]],
        [[0, 1], []]
      ] as const) {
        const cluster = withTopic(2)
        const watched = yield* watch(cluster, {}, false)
        const next = Effect.map(watched.all.take, (event) => watched.events.push(event))
        for (let i = 0; i < 3; i++) yield* Effect.andThen(next, settle)
        yield* pass(MAX_WAIT)
        assert.lengthOf(watched.fetches().at(-1)!.partitions, 2)
        append(cluster, topic, 1, 0)
        append(cluster, topic, 1, 1)
        yield* settle
        assert.deepStrictEqual(lastAsked(watched), [`${topic}/0 at 1`, `${topic}/1 at 1`])
        yield* watched.all.remove(topic, away)
        watched.forget()
        yield* Effect.forkScoped(Effect.forever(next))
        yield* pass(MAX_WAIT)
        const taken = watched.events.map((event) =>
          event._tag === "Fetched" ? event.partitions.map(({ partition }) => partition).join() : event._tag
        )
        assert.deepStrictEqual(taken, [...rest])
      }
    })
  )

  it.effect("and given again, elsewhere, is read from there: nothing of before comes in between", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      append(cluster, OTHER, 8)
      const watched = yield* watch(cluster)
      yield* watched.all.add(OTHER, new Map([[0, 2]]))
      yield* pass(MAX_WAIT)
      watched.forget()
      append(cluster, OTHER, 1)
      yield* watched.all.remove(OTHER, [0])
      yield* watched.all.add(OTHER, new Map([[0, 6]]))
      yield* pass(2 * MAX_WAIT)
      assert.deepStrictEqual(told(watched), [`${OTHER}/0 from 6 to 9`, `${OTHER}/0: records`])
    })
  )

  it.effect("as the last one of its topic: the source goes on, with the same topic once more as well", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      const watched = yield* watch(cluster)
      const broken = yield* Effect.forkChild(watched.all.broken)
      for (let i = 0; i < 2; i++) {
        yield* watched.all.add(OTHER, new Map([[0, 0]]))
        yield* pass(MAX_WAIT)
        yield* watched.all.remove(OTHER)
      }
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      yield* pass(MAX_WAIT)
      assert.isTrue(yield* isRunning(broken))
      watched.forget()
      append(cluster, OTHER, 1)
      append(cluster, topic, 1)
      yield* pass(MAX_WAIT)
      assert.sameMembers([...told(watched)], [`${OTHER}/0: records`, `${topic}/0: records`])
    })
  )

  it.effect("and could not be read for want of rights: that is over, and what is denied next is told", () =>
    Effect.gen(function* () {
      const cluster = withOther(2)
      let denied = -1
      cluster.before = (request, _node, detail) => {
        if (request !== "Fetch" || denied === -1) return undefined
        const isDenied = (p: FetchedPartition) => p.topic.name === OTHER && p.partition === denied
        return Effect.map(nothingNew(detail, 0), (answer) => ({
          ...answer,
          partitions: answer.partitions.map((p) => (isDenied(p) ? { ...p, errorCode: 29 } : p))
        }))
      }
      const watched = yield* watch(cluster)
      yield* watched.all.follow(OTHER)
      yield* pass(MAX_WAIT)
      const news = Effect.map(pass(2 * MAX_WAIT), () => {
        const found = told(watched)
        watched.forget()
        return found
      })
      yield* news
      denied = 0
      assert.deepStrictEqual(yield* news, ["Denied"])
      yield* watched.all.remove(OTHER, [0])
      assert.deepStrictEqual(yield* news, ["Granted"])
      assert.isUndefined(watched.source.lastFailure())
      denied = 1
      assert.deepStrictEqual(yield* news, ["Denied"])
      denied = -1
      yield* pass(DENIED_RETRY)
      assert.deepStrictEqual(yield* news, ["Granted"])
    })
  )

  it.effect("as the last one of its topic: nobody asks for that topic any more, and no failure of it stands", () =>
    Effect.gen(function* () {
      const cluster = withOther()
      const watched = yield* watch(cluster)
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      yield* pass(MAX_WAIT)
      cluster.deleteTopic(OTHER)
      yield* pass(2 * MAX_WAIT)
      assert.isDefined(watched.source.lastFailure())
      yield* watched.all.remove(OTHER)
      watched.forget()
      yield* pass(2 * METADATA_AGE)
      assert.isUndefined(watched.source.lastFailure())
      assert.deepStrictEqual(told(watched), [])
      for (const { detail } of watched.requests("Metadata")) assert.deepStrictEqual(topicsOf(detail), [topic])
      assert.isUndefined(watched.all.description(OTHER))
      assert.strictEqual(watched.all.cursors(OTHER).size, 0)
      // and it can be read again
      cluster.createTopic(OTHER)
      yield* watched.all.add(OTHER, new Map([[0, 0]]))
      yield* pass(MAX_WAIT + BACKOFF)
      assert.deepStrictEqual(told(watched), [`${OTHER}/0 from 0 to 0`])
    })
  )
})
