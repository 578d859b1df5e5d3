/** The same over TLS: within the handshake, alive, and where the other side has fallen silent. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { assert } from "vitest"
import type { KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import type { ClientOptions } from "../faults/lab.ts"
import { compacted, openTable, openWriter } from "../faults/openings.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { eventually, shared } from "../support/live.ts"
import { testAll, type State, type World } from "./ended.ts"
import * as Relay from "./Relay.ts"

const user = "alice"
const password = "secret"

interface TlsWorld extends World {
  readonly relay: Relay.Relay
  readonly brokers: ReadonlyArray<string>
  readonly topic: string
  readonly client: ClientOptions
}

type TlsState = State<TlsWorld>

/** Of the broker's first flight, which is more than a kilobyte: its hello, and a part of its certificate. */
const HALF_A_HANDSHAKE = 200

const nothing = () => Effect.succeed(Effect.void)

const inHandshake: TlsState["hinder"] = ({ relay }) => relay.hold(HALF_A_HANDSHAKE)

/** All that comes from here on is held back. */
const silenced = ({ relay }: TlsWorld) => Effect.flatten(relay.hold(0))

/** Connections are gone, and new ones do not get through their handshake. */
const inHandshakeAgain = ({ relay }: TlsWorld) =>
  Effect.flatMap(relay.hold(HALF_A_HANDSHAKE), (held) =>
    Effect.andThen(
      relay.reset,
      // what was on its way may have been held before
      Effect.andThen(
        held,
        Effect.asVoid(
          eventually(
            Effect.sync(() => relay.open()),
            (count) => count > 0
          )
        )
      )
    )
  )

const table =
  (
    then: (table: KafkaTable.KafkaTable<string, string>, world: TlsWorld) => Effect.Effect<void, unknown, Scope.Scope>
  ): TlsState["open"] =>
  (world) =>
    Effect.map(openTable(world, "ended", world.topic, {}, world.client), (table) => then(table, world))

const writer =
  (
    then: (
      writer: KafkaTableWriter.KafkaTableWriter<string, string>,
      world: TlsWorld
    ) => Effect.Effect<void, unknown, Scope.Scope>
  ): TlsState["open"] =>
  (world) =>
    Effect.map(openWriter(world, "ended", world.topic, { closeTimeout: "1 second" }, world.client), (writer) =>
      then(writer, world)
    )

const done = () => Effect.void

const tableStates: ReadonlyArray<TlsState> = [
  { name: "in the handshake", acquired: false, hinder: inHandshake, open: table(done) },
  { name: "live", acquired: true, hinder: nothing, open: table((table) => table.barrier()) },
  { name: "live, the network silent", acquired: true, hinder: nothing, open: table((_, world) => silenced(world)) },
  {
    name: "in the handshake again",
    acquired: true,
    hinder: nothing,
    open: table((_, world) => inHandshakeAgain(world))
  }
]

const writerStates: ReadonlyArray<TlsState> = [
  { name: "in the handshake", acquired: false, hinder: inHandshake, open: writer(done) },
  { name: "idle", acquired: true, hinder: nothing, open: writer((writer) => Effect.asVoid(writer.set("a", "1"))) },
  {
    name: "writing, the network silent",
    acquired: true,
    hinder: nothing,
    open: writer((writer, world) =>
      Effect.gen(function* () {
        yield* writer.set("a", "1")
        const held = yield* world.relay.hold(0)
        yield* Effect.forkScoped(writer.set("a", "2"))
        yield* held
      })
    )
  },
  {
    name: "in the handshake again",
    acquired: true,
    hinder: nothing,
    open: writer((writer, world) =>
      Effect.gen(function* () {
        yield* writer.set("a", "1")
        const held = yield* world.relay.hold(HALF_A_HANDSHAKE)
        yield* world.relay.reset
        yield* Effect.forkScoped(writer.set("a", "2"))
        yield* held
      })
    )
  }
]

realKafka("what is ended in whatever state of TLS leaves nothing", { java: true }, () => {
  const made = shared(
    Effect.gen(function* () {
      const relays: Array<Relay.Relay> = []
      const cluster = yield* KafkaCluster.make({
        listener: "sasl_ssl",
        users: { [user]: password },
        advertise: (node) =>
          Effect.map(Relay.make(node), (relay) => {
            relays.push(relay)
            return relay.address
          })
      })
      const {
        brokers,
        nodes: [node],
        tls
      } = cluster
      if (tls === undefined) return assert.fail("no TLS")
      // the cluster may have begun more than once
      const relay = relays.at(-1)!
      const topic = topicName()
      const java = yield* JavaClient.make(cluster.adminBrokers)
      yield* java.createTopic(topic, { configs: compacted })
      yield* java.produce(topic, [{ key: "a", value: "0" }])
      const client: ClientOptions = {
        tls: { ca: tls.ca },
        sasl: { mechanism: "SCRAM-SHA-256", username: user, password: Redacted.make(password) }
      }
      return { relay, brokers, topic, client, node, connections: relay.open } satisfies TlsWorld
    })
  )
  testAll("a table", tableStates, made)
  testAll("a writer", writerStates, made)
})
