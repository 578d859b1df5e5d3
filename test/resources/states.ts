/** Where a table or a writer may be when it is ended, and how it gets there. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import type * as Lab from "../faults/lab.ts"
import { openTable, openWriter } from "../faults/openings.ts"
import { Api, type Rule } from "../faults/Proxy.ts"
import { eventually, statusOf } from "../support/live.ts"

/** Kafka's number of the request that gives a writer its producer id. */
const INIT_PRODUCER_ID = 22

/** What is acquired, and what it waits for once it is. */
type Opened = Effect.Effect<Effect.Effect<void, unknown, Scope.Scope>, unknown, Scope.Scope>

export interface State {
  readonly name: string
  /** Whether it is acquired by then. Otherwise somebody is about to. */
  readonly acquired: boolean
  /** What the network does, until the scope ends; the result waits until that has happened. */
  readonly hinder: (lab: Lab.Lab) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
  readonly open: (lab: Lab.Lab, topic: string, options: Lab.ClientOptions) => Opened
}

const swallow = (api: Rule["api"]) => (lab: Lab.Lab) =>
  Effect.map(lab.proxies[0].rule({ api, fate: { _tag: "Swallow" }, times: 1_000 }), ({ happened }) => happened)

const nothing = () => Effect.succeed(Effect.void)

/** The proxy takes the connection, and passes nothing. */
const silent = ({ proxies: [proxy] }: Lab.Lab) =>
  Effect.as(proxy.stall(), Effect.asVoid(eventually(Effect.sync(proxy.open), (count) => count > 0)))

const throttled = ({ proxies: [proxy] }: Lab.Lab) => Effect.as(proxy.throttle(300_000), Effect.void)

const clientId = "ended"

const table =
  (
    settings: KafkaTable.TableSettings,
    then: (table: KafkaTable.KafkaTable<string, string>, lab: Lab.Lab) => Effect.Effect<void, unknown, Scope.Scope>
  ): State["open"] =>
  (lab, topic, options) =>
    Effect.map(openTable(lab, clientId, topic, { ensureTopic: false, ...settings }, options), (table) =>
      then(table, lab)
    )

const writer =
  (
    then: (
      writer: KafkaTableWriter.KafkaTableWriter<string, string>,
      lab: Lab.Lab
    ) => Effect.Effect<void, unknown, Scope.Scope>
  ): State["open"] =>
  (lab, topic, options) =>
    Effect.map(openWriter(lab, clientId, topic, { ensureTopic: false, closeTimeout: "1 second" }, options), (writer) =>
      then(writer, lab)
    )

const done = () => Effect.void

/** Does not wait for the rest of the replay, of many answers. */
const early = { catchUpTimeout: "200 millis", fetch: { maxPartitionBytes: 30_000 } } as const

/** The network is gone, and it knows. */
const cutOff = ({ proxies: [proxy] }: Lab.Lab, connected: Effect.Effect<boolean>) =>
  Effect.zipRight(proxy.refuse, Effect.asVoid(eventually(connected, (is) => !is)))

export const tableStates: ReadonlyArray<State> = [
  { name: "connecting", acquired: false, hinder: silent, open: table({}, done) },
  { name: "authenticating", acquired: false, hinder: swallow(Api.SaslAuthenticate), open: table({}, done) },
  { name: "looking for its topic", acquired: false, hinder: swallow(Api.Metadata), open: table({}, done) },
  { name: "looking for the log's ends", acquired: false, hinder: swallow(Api.ListOffsets), open: table({}, done) },
  { name: "waiting at the gate", acquired: false, hinder: swallow(Api.Fetch), open: table({}, done) },
  {
    name: "degraded, before the gate",
    acquired: true,
    hinder: swallow(Api.Fetch),
    open: table(early, (table) => Effect.asVoid(eventually(statusOf(table), (status) => status._tag === "Degraded")))
  },
  {
    name: "replaying",
    acquired: true,
    hinder: throttled,
    open: table(early, (table) =>
      Effect.asVoid(eventually(statusOf(table), (status) => status._tag === "Degraded" && status.progress.done > 0))
    )
  },
  { name: "live", acquired: true, hinder: nothing, open: table({}, (table) => table.barrier()) },
  {
    name: "reconnecting",
    acquired: true,
    hinder: nothing,
    open: table({}, (table, lab) =>
      cutOff(
        lab,
        Effect.map(table.freshness, ({ connected }) => connected)
      )
    )
  }
]

export const writerStates: ReadonlyArray<State> = [
  { name: "connecting", acquired: false, hinder: silent, open: writer(done) },
  { name: "authenticating", acquired: false, hinder: swallow(Api.SaslAuthenticate), open: writer(done) },
  { name: "looking for its topic", acquired: false, hinder: swallow(Api.Metadata), open: writer(done) },
  { name: "asking for its producer id", acquired: false, hinder: swallow(INIT_PRODUCER_ID), open: writer(done) },
  { name: "idle", acquired: true, hinder: nothing, open: writer((writer) => Effect.asVoid(writer.set("a", "1"))) },
  {
    name: "writing",
    acquired: true,
    hinder: swallow(Api.Produce),
    open: writer((writer) => Effect.asVoid(Effect.forkScoped(writer.set("a", "1"))))
  },
  {
    name: "reconnecting",
    acquired: true,
    hinder: nothing,
    open: writer((writer, { proxies: [proxy] }) =>
      Effect.gen(function* () {
        yield* writer.set("a", "1")
        yield* proxy.refuse
        yield* Effect.forkScoped(writer.set("b", "1"))
        yield* eventually(Effect.sync(proxy.open), (count) => count === 0)
        yield* Effect.sleep("100 millis")
      })
    )
  }
]
