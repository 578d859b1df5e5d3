/** Where a table or a writer may be when it is ended, and how it gets there. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Latch from "effect/Latch"
import type { KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import type * as Lab from "../faults/lab.ts"
import { openTable, openWriter } from "../faults/openings.ts"
import { Api, type Rule } from "../faults/Proxy.ts"
import { unsecuredToken } from "../kafka/KafkaCluster.ts"
import { eventually, statusOf } from "../support/live.ts"
import type { State, World } from "./ended.ts"

export const user = "alice"
export const password = "secret"

/** How long who was let in stays so, without authenticating again. */
export const SESSION_MILLIS = 2_000

/** On a listener with SASL, behind a proxy. */
export interface SaslWorld extends World {
  readonly lab: Lab.Lab
  readonly topic: string
}

type SaslState = State<SaslWorld>

const withPassword: Lab.ClientOptions = {
  sasl: { mechanism: "SCRAM-SHA-256", username: user, password: Redacted.make(password) }
}

/** Tokens, until they are withheld: from then on, who asks for one waits for ever. `withheld` waits until somebody does. */
const tokens = () => {
  let given = true
  const waiting = Latch.makeUnsafe()
  const token = Effect.suspend(() =>
    given ? Effect.map(unsecuredToken(user), Redacted.make) : Effect.andThen(waiting.open, Effect.never)
  )
  const options: Lab.ClientOptions = { sasl: { mechanism: "OAUTHBEARER", token } }
  const withheld = Effect.suspend(() => {
    given = false
    return waiting.await
  })
  return { options, withheld }
}

/** Kafka's number of the request that gives a writer its producer id. */
const INIT_PRODUCER_ID = 22

const armed = ({ proxies: [proxy] }: Lab.Lab, api: Rule["api"]) =>
  Effect.map(proxy.rule({ api, fate: { _tag: "Swallow" }, times: 1_000 }), ({ happened }) => happened)

const swallow =
  (api: Rule["api"]): SaslState["hinder"] =>
  ({ lab }) =>
    armed(lab, api)

const nothing = () => Effect.succeed(Effect.void)

/** The proxy takes the connection, and passes nothing. */
const silent: SaslState["hinder"] = ({ connections, lab: { proxies } }) =>
  Effect.as(proxies[0].stall(), Effect.asVoid(eventually(Effect.sync(connections), (count) => count > 0)))

const throttled: SaslState["hinder"] = ({ lab: { proxies } }) => Effect.as(proxies[0].throttle(300_000), Effect.void)

const clientId = "ended"

const table =
  (
    settings: KafkaTable.TableSettings,
    then: (table: KafkaTable.KafkaTable<string, string>, lab: Lab.Lab) => Effect.Effect<void, unknown, Scope.Scope>,
    options: Lab.ClientOptions = withPassword
  ): SaslState["open"] =>
  ({ lab, topic }) =>
    Effect.map(openTable(lab, clientId, topic, { ensureTopic: false, ...settings }, options), (table) =>
      then(table, lab)
    )

const writer =
  (
    then: (
      writer: KafkaTableWriter.KafkaTableWriter<string, string>,
      lab: Lab.Lab
    ) => Effect.Effect<void, unknown, Scope.Scope>,
    options: Lab.ClientOptions = withPassword
  ): SaslState["open"] =>
  ({ lab, topic }) =>
    Effect.map(openWriter(lab, clientId, topic, { ensureTopic: false, closeTimeout: "1 second" }, options), (writer) =>
      then(writer, lab)
    )

const done = () => Effect.void

/** Does not wait for the rest of the replay, of many answers. */
const early = { catchUpTimeout: "200 millis", fetch: { maxPartitionBytes: 30_000 } } as const

/** The network is gone, and it knows. */
const cutOff = ({ proxies: [proxy] }: Lab.Lab, connected: Effect.Effect<boolean>) =>
  Effect.andThen(proxy.refuse, Effect.asVoid(eventually(connected, (is) => !is)))

/** Its sessions end, and the broker says nothing to who comes again. */
const unheard = (lab: Lab.Lab) => Effect.flatten(armed(lab, Api.SaslAuthenticate))

/** Until it is closed; the first one is acknowledged. */
const writing = (writer: KafkaTableWriter.KafkaTableWriter<string, string>) => {
  const write = writer.set("a", "1")
  return Effect.andThen(write, Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("20 millis"), write))))
}

export const tableStates: ReadonlyArray<SaslState> = [
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
    name: "authenticating again",
    acquired: true,
    hinder: nothing,
    open: table({}, (_, lab) => unheard(lab))
  },
  {
    name: "waiting for a token to authenticate again",
    acquired: true,
    hinder: nothing,
    open: (world) => {
      const { options, withheld } = tokens()
      return table({}, () => withheld, options)(world)
    }
  },
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

export const writerStates: ReadonlyArray<SaslState> = [
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
    name: "authenticating again",
    acquired: true,
    hinder: nothing,
    open: writer((writer, lab) => Effect.andThen(writing(writer), unheard(lab)))
  },
  {
    name: "waiting for a token to authenticate again",
    acquired: true,
    hinder: nothing,
    open: (world) => {
      const { options, withheld } = tokens()
      return writer((writer) => Effect.andThen(writing(writer), withheld), options)(world)
    }
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
