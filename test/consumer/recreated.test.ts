/**
 * A topic that is deleted and created again under its name while a member works on it: what was done of the one is never
 * committed for the other. Coordinators before Kafka 4.2 go by names, those since then by ids.
 */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { EmbeddedKafka, KafkaClient } from "../../src/index.ts"
import type { ApiName, Request } from "../../src/KafkaProtocol.ts"
import { numbers } from "../support/live.ts"
import {
  adjust,
  append,
  cluster,
  group,
  it,
  offsetsOf,
  open,
  type Options,
  protocols,
  tagsOf,
  topic
} from "./onEmbedded.ts"

const texts = (count: number, from = 0) => numbers(count, from).map(String)

const deletePolicy = { configs: { "cleanup.policy": "delete" } }

const recreate = (kafka: EmbeddedKafka.EmbeddedKafka) =>
  Effect.andThen(kafka.deleteTopic(topic), kafka.createTopic(topic, deletePolicy))

/** A request as a client of an older coordinator sends it: with the topics' names alone. */
const byName = <N extends ApiName>(name: N, request: Request<N>): Request<N> => {
  if (name !== "OffsetCommit" && name !== "OffsetFetch") return request
  const asked = request as Request<"OffsetCommit">
  const partitions = asked.partitions.map((one) => ({ ...one, topic: { ...one.topic, id: undefined } }))
  return { ...asked, partitions } as Request<N>
}

const coordinators = {
  ids: (client: KafkaClient.KafkaClient) => client,
  names: (client: KafkaClient.KafkaClient): KafkaClient.KafkaClient => ({
    ...client,
    coordinator: (key, type) =>
      Effect.map(client.coordinator(key, type), (coordinator): KafkaClient.Coordinator => ({
        ...coordinator,
        request: (name, request) => coordinator.request(name, byName(name, request))
      }))
  })
} as const

/** What the coordinator has accepted since so many commits. */
const acceptedSince = (kafka: EmbeddedKafka.EmbeddedKafka, before: number) =>
  Effect.map(kafka.commits(group), (all) =>
    all.slice(before).flatMap(({ errorCode, offset }) => (errorCode === 0 ? [offset] : []))
  )

for (const protocol of protocols) {
  for (const [by, driven] of Object.entries(coordinators)) {
    const options: Options = { protocol, metadataMaxAge: "5 minutes" }

    describe(`a topic that is created again: ${protocol}, a coordinator that goes by ${by}`, () => {
      it.effect("is worked on from its beginning, and only what is done of it is committed for it", () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, numbers(20))
          const member = yield* open(kafka, "first", options, { driven })
          yield* adjust("10 seconds")
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 20]])
          const before = (yield* kafka.commits(group)).length
          yield* append(kafka, numbers(10, 20))
          yield* recreate(kafka)
          yield* append(kafka, numbers(15, 100))
          yield* adjust("1 minute")
          assert.deepStrictEqual(member.done.slice(-15), texts(15, 100))
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 15]])
          assert.deepStrictEqual(
            (yield* acceptedSince(kafka, before)).filter((offset) => offset > 15),
            []
          )
          assert.notInclude(tagsOf(member), "Lost")
        })
      )

      it.effect("while the work on a record goes on: that is of no use to the group any more", () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, numbers(20))
          const go = yield* Deferred.make<void>()
          const work = ({ value }: { readonly value: string }) => (value === "10" ? Deferred.await(go) : Effect.void)
          const member = yield* open(kafka, "first", options, { driven, work })
          yield* adjust("10 seconds")
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
          const before = (yield* kafka.commits(group)).length
          yield* recreate(kafka)
          yield* Deferred.succeed(go, undefined)
          yield* adjust("1 second")
          assert.deepStrictEqual(
            (yield* acceptedSince(kafka, before)).filter((offset) => offset > 0),
            []
          )
          yield* append(kafka, numbers(5, 100))
          yield* adjust("1 minute")
          assert.deepStrictEqual(member.done.slice(-5), texts(5, 100))
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 5]])
        })
      )

      it.effect("and its member is closed at once: the next one reads all of it", () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, numbers(20))
          const first = yield* open(kafka, "first", { ...options, commitInterval: "20 seconds" }, { driven })
          yield* adjust("1 second")
          assert.deepStrictEqual(first.done, texts(20))
          yield* recreate(kafka)
          yield* append(kafka, numbers(30, 100))
          yield* first.close
          yield* adjust("2 minutes")
          const second = yield* open(kafka, "second", options, { driven })
          yield* adjust("1 minute")
          assert.deepStrictEqual(second.done, texts(30, 100))
        })
      )

      it.effect("while its member has enough of it, and fetches nothing: that asks before it commits", () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          const large = (i: number) => `${i} ${"x".repeat(100_000)}`
          for (const i of numbers(80)) yield* append(kafka, [large(i)])
          const go = yield* Deferred.make<void>()
          const work = ({ offset }: { readonly offset: number }) =>
            offset === 5 ? Deferred.await(go) : offset === 8 ? Effect.never : Effect.void
          const full = { ...options, maxUncommitted: 3, fetch: { maxPartitionBytes: 1_000_000 } }
          const member = yield* open(kafka, "first", full, { driven, work })
          yield* adjust("20 seconds")
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 5]])
          yield* recreate(kafka)
          for (const i of numbers(30)) yield* append(kafka, [large(100 + i)])
          // It works on what it has of the old topic, and does not know of the new one.
          yield* Deferred.succeed(go, undefined)
          yield* adjust("8 seconds")
          assert.isAbove(member.done.length, 5)
          yield* member.kill
          yield* adjust("2 minutes")
          const second = yield* open(kafka, "second", options, { driven })
          yield* adjust("1 minute")
          const ofNew = [...member.done, ...second.done].map(parseFloat).filter((i) => i >= 100)
          assert.deepStrictEqual(
            [...new Set(ofNew)].sort((a, b) => a - b),
            numbers(30, 100)
          )
        })
      )
    })
  }
}
