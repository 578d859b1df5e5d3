/** Topics that grow, appear, are deleted and created again, and lose records; records that do not decode. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { eventually, numbers } from "../../support/live.ts"
import type { Scenario } from "../rows.ts"
import { inBoth, inGroup, type World } from "./trial.ts"

const MAX_AGE_MILLIS = 500

/** Deletes the topic, whatever of it is not done. */
const remove = ({ lab: { java }, load, note, topic }: World) =>
  Effect.gen(function* () {
    yield* load.pause
    note({ _tag: "Deleted", topic })
    yield* java.deleteTopic(topic)
  })

/** Creates it again, and writes to it as before. */
const createAgain = ({ lab: { java }, load, topic }: World) =>
  Effect.gen(function* () {
    yield* java.createTopic(topic, { partitions: 4 })
    load.turnTo([{ topic, partitions: 4, life: 1 }])
    yield* load.resume
  })

export const scenarios: ReadonlyArray<Scenario> = [
  ...inBoth("partitions are added to a topic of a group", [["grown", "member"]], ({ java }) => ({
    options: () => ({ metadataMaxAge: MAX_AGE_MILLIS }),
    mayLose: false,
    fault: ({ load, members, owned, topic }) =>
      Effect.gen(function* () {
        yield* java.createPartitions(topic, 7)
        load.turnTo([{ topic, partitions: 7, life: 0 }])
        yield* owned(members, 7)
      })
  })),

  ...inBoth("a topic appears that a glob matches", [["matched", "member"]], ({ java }) => ({
    options: (topic) => ({ subscribe: `${topic}*`, metadataMaxAge: MAX_AGE_MILLIS }),
    mayLose: false,
    fault: ({ load, members, owned, topic }) =>
      Effect.gen(function* () {
        const other = `${topic}-too`
        yield* java.createTopic(other, { partitions: 2 })
        load.turnTo([
          { topic, partitions: 4, life: 0 },
          { topic: other, partitions: 2, life: 0 }
        ])
        yield* owned(members, 6)
      })
  })),

  ...inBoth("the topic is deleted, and created again at once", [["recreated", "member"]], () => ({
    mayLose: false,
    mayMissCommits: true,
    fault: (world) => Effect.andThen(remove(world), createAgain(world))
  })),

  ...inBoth(
    "the topic is deleted, and created again when that was noticed",
    [
      ["deleted", "member"],
      ["recreated", "member"]
    ],
    () => ({
      mayLose: false,
      mayMissCommits: true,
      fault: (world) =>
        Effect.gen(function* () {
          yield* remove(world)
          yield* world.owned(world.members, 0)
          yield* createAgain(world)
        })
    })
  ),

  inGroup(
    "records are deleted beyond members that were cut off",
    [["head", "member"]],
    ({ java, proxies: [proxy] }) => ({
      mayLose: false,
      fault: ({ ends, entries, load, members, note, topic }) =>
        Effect.gen(function* () {
          yield* Effect.scoped(
            Effect.gen(function* () {
              for (const { name } of members) yield* proxy.stall({ clientId: name })
              // A fetch that waits at the broker gets what comes first, and is at the head of the log then: only what comes
              // after that is deleted beyond it.
              yield* load.write(400)
              yield* load.write(400)
              const to = yield* ends
              for (const end of to) note({ _tag: "Shortened", ...end })
              yield* java.deleteRecords(topic, to)
            })
          )
          const isTold = () => entries.some((one) => one._tag === "Told" && one.event === "LogTruncated")
          yield* eventually(Effect.sync(isTold), (told) => told)
        })
    })
  ),

  inGroup("records do not decode, in between", [["poison", "member"]], () => ({
    poisonEvery: 7,
    mayLose: false,
    fault: ({ busy, load, open }) =>
      Effect.gen(function* () {
        const guest = yield* open("guest")
        yield* busy()
        yield* guest.close
        // Of a partition whose last record is poison, all is committed, too.
        for (const _ of numbers(3)) yield* load.write(1)
        assert.isAbove(load.written.length, 0)
      })
  }))
]
