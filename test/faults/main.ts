/**
 * A program that uses tables and writers, for faults of its process: it is stopped, its event loop is blocked, its clock is
 * set. `Program.ts` starts it and tells it what to do.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { until } from "../kafka/process.ts"
import { timed } from "../support/ownTime.ts"
import { randomOf } from "../support/random.ts"
import { complaints } from "./complaints.ts"
import { proberSettings, start as startLoad, writerSettings, type Writer } from "./load.ts"
import * as InChild from "./inChild.ts"
import { client } from "./lab.ts"
import { openTable, openWriter } from "./openings.ts"
import { probe } from "./probe.ts"
import type { Answer, Command, Plan } from "./Program.ts"
import { history, Riding } from "./views/riding.ts"
import { topicsBeside } from "./views/verdict.ts"
import { Witness } from "./Witness.ts"

const plan = JSON.parse(process.argv[2]) as Plan

const answer: (message: Answer) => Effect.Effect<void> = InChild.answer

/** The hasty one gives up sooner than the process goes on, but not for a broker that is slow for a moment. */
const settingsOf: typeof writerSettings = {
  ...writerSettings,
  hasty: { ...writerSettings["hasty"], deliveryTimeout: "8 seconds" }
}

let setBy = 0
const now = Date.now.bind(Date)
/** As if somebody had set the clock. */
const setClock = (millis: number): void => {
  setBy += millis
  Date.now = () => now() + setBy
}

const main = Effect.gen(function* () {
  const { isClockSteady, partitions, seed, topic } = plan
  const random = randomOf(seed)
  const complained = yield* complaints
  const witness = new Witness()
  const scope = yield* Scope.make()
  const queue = yield* InChild.commands<Command>()

  const { load, prober, riding, statuses, table } = yield* Effect.gen(function* () {
    const table = yield* witness.watch("reader", new Map(), openTable(plan, "reader", topic, { history }))
    const statuses: Array<string> = []
    yield* Effect.forkScoped(
      Stream.runForEach(SubscriptionRef.changes(table.status), ({ _tag }) => Effect.sync(() => statuses.push(_tag)))
    )
    const writers = new Map<string, Writer>()
    for (const [name, settings] of Object.entries(settingsOf)) {
      writers.set(name, yield* openWriter(plan, name, topic, settings))
    }
    const prober = yield* openWriter(plan, "prober", topic, { ...proberSettings, deliveryTimeout: "1 minute" })
    const load = yield* startLoad(writers, random)
    yield* witness.watchBarriers("reader", table, load.ends)
    const riding = yield* Riding.start({
      connect: (clientId) => client(plan, clientId),
      topics: topicsBeside(topic),
      table,
      load,
      random,
      isClockSteady
    })
    return { table, statuses, prober, load, riding }
  }).pipe(Scope.provide(scope))
  yield* answer({ _tag: "Ready" })

  while (true) {
    const command = yield* Queue.take(queue)
    switch (command._tag) {
      case "Count":
        yield* answer({ _tag: "Counted", acknowledged: load.acknowledged() })
        break
      case "Block":
        InChild.block(command.millis)
        yield* answer({ _tag: "Blocked" })
        break
      case "SetClock":
        setClock(command.millis)
        yield* answer({ _tag: "ClockIsSet" })
        break
      case "Probe": {
        const [millis] = yield* timed(probe(table, load, prober, partitions))
        yield* answer({ _tag: "Probed", millis })
        break
      }
      case "Finish": {
        yield* Effect.all([load.pause, riding.pause], { concurrency: 2 })
        yield* table.barrier()
        const ridden = yield* riding.finish(undefined)
        // the subscriber has its turn
        yield* until(Effect.sync(() => witness.isTold))
        const { barriers, contents, reads, sightings, starts } = witness
        const { operations } = load
        const seen = { contents, reads, barriers, sightings, starts }
        const evidence = { ...seen, operations, ridden, statuses, complaints: complained }
        yield* answer({ _tag: "Finished", evidence })
        break
      }
      case "Leave":
        yield* Scope.close(scope, Exit.void)
        return yield* InChild.farewell
    }
  }
}).pipe(Effect.scoped)

InChild.runProgram(main)
