/** Faults at random, some of them at the same time. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Lab } from "./lab.ts"
import { HUNG_MILLIS } from "../support/patience.ts"
import { compacted } from "./openings.ts"
import { Api, type Proxy } from "./Proxy.ts"
import type { Scenario } from "./rows.ts"
import { STEPS } from "./settings.ts"
import * as Trial from "./trial.ts"
import * as Riding from "./views/riding.ts"

/** Begins a fault, which ends with the scope. */
type Begin = Effect.Effect<void, unknown, Scope.Scope>

const clientIds = ["reader", "patient", "hasty", "many", "prober", ...Riding.clientIds]

export class Chaos {
  /** What was done, for the report of a failure. */
  readonly trace: Array<string> = []
  private readonly lab: Lab
  private readonly world: Pick<Trial.World, "topic" | "random">
  /** One at a time, so that a majority of the controllers is left. */
  private dead: number | undefined
  private frozen: number | undefined
  private corrupted = false

  constructor(lab: Lab, world: Pick<Trial.World, "topic" | "random">) {
    this.lab = lab
    this.world = world
  }

  private below(n: number): number {
    return Math.floor(this.world.random() * n)
  }

  private pick<A>(all: ReadonlyArray<A>): A {
    return all[this.below(all.length)]
  }

  private nodeBut(other: number | undefined): number {
    const node = this.below(this.lab.nodes.length)
    return node === other ? (node + 1) % this.lab.nodes.length : node
  }

  /** Something that goes wrong for a while. */
  get step(): Effect.Effect<void, unknown> {
    return Effect.suspend(() => {
      const [name, begin] = this.something()
      const millis = 100 + this.below(2_500)
      this.trace.push(`${name} for ${millis} ms`)
      return Effect.scoped(Effect.andThen(begin, Effect.sleep(millis)))
    })
  }

  private something(): readonly [string, Begin] {
    const node = this.below(this.lab.proxies.length)
    const proxy = this.lab.proxies[node]
    const whom = this.world.random() < 0.5 ? {} : { clientId: this.pick(clientIds) }
    const who = whom.clientId ?? "everybody"
    switch (this.below(12)) {
      case 0:
        return this.kill()
      case 1:
        return this.freeze()
      case 2:
        return [`stall ${node}, ${who}`, proxy.stall(whom)]
      case 3:
        return [`half-open ${node}, ${who}`, proxy.halfOpen(whom)]
      case 4:
        return [`reset ${node}, ${who}`, proxy.reset(whom)]
      case 5:
        return [`refuse ${node}`, proxy.refuse]
      case 6:
        return [`delay ${node}, ${who}`, proxy.delay(this.below(300), whom)]
      case 7:
        return [`throttle ${node}, ${who}`, proxy.throttle(20_000, whom)]
      case 8:
        return [`move leaders`, this.moveLeaders]
      case 9:
        return [`lose answers of ${node}`, this.answers(proxy, [{ _tag: "Swallow" }, { _tag: "Cut" }])]
      case 10: {
        const bytes = (length: number) => this.below(length)
        return [`truncate answers of ${node}`, this.answers(proxy, [{ _tag: "Truncate", bytes }])]
      }
      default:
        // what is corrupt twice at one place ends a table, and is meant to
        if (this.corrupted) return ["nothing", Effect.void]
        this.corrupted = true
        return [`corrupt an answer of ${node}`, this.corrupt(proxy)]
    }
  }

  private kill(): readonly [string, Begin] {
    if (this.dead !== undefined) return ["nothing", Effect.void]
    const node = this.nodeBut(this.frozen)
    this.dead = node
    return [
      `kill ${node}`,
      Effect.asVoid(
        Effect.acquireRelease(this.lab.nodes[node].kill, () =>
          Effect.map(Effect.orDie(this.lab.nodes[node].start), () => {
            this.dead = undefined
          })
        )
      )
    ]
  }

  private freeze(): readonly [string, Begin] {
    if (this.frozen !== undefined) return ["nothing", Effect.void]
    const node = this.nodeBut(this.dead)
    this.frozen = node
    return [
      `freeze ${node}`,
      Effect.asVoid(
        Effect.acquireRelease(this.lab.nodes[node].stop, () =>
          Effect.map(Effect.orDie(this.lab.nodes[node].continue), () => {
            this.frozen = undefined
          })
        )
      )
    ]
  }

  /** As far as there is somebody to do it. */
  private get moveLeaders(): Begin {
    const { java } = this.lab
    const { topic } = this.world
    return Effect.ignore(
      Effect.gen({ self: this }, function* () {
        const partition = this.below(4)
        const first = this.below(3)
        yield* java.reassign(topic, [{ partition, replicas: [0, 1, 2].map((i) => ((first + i) % 3) + 1) }])
        yield* java.electLeaders(topic, [partition])
      }).pipe(Effect.timeout("5 seconds"))
    )
  }

  private answers(proxy: Proxy, fates: ReadonlyArray<Parameters<Proxy["rule"]>[0]["fate"]>): Begin {
    const apis = [Api.Produce, Api.Fetch, Api.Metadata, Api.ListOffsets]
    return Effect.asVoid(
      Effect.forEach([1, 2, 3], () => proxy.rule({ api: this.pick(apis), fate: this.pick(fates), times: 2 }))
    )
  }

  private corrupt(proxy: Proxy): Begin {
    const edit = (frame: Buffer) => {
      const at = frame.indexOf("patient-")
      if (at !== -1) frame[at] ^= 1
      return at !== -1
    }
    return Effect.asVoid(proxy.rule({ api: Api.Fetch, fate: { _tag: "Corrupt", edit } }))
  }
}

export const scenario: Scenario = {
  name: `${STEPS} faults at random`,
  covers: [],
  timeoutMillis: HUNG_MILLIS + STEPS * 20_000,
  run: (lab, seed) => {
    let trace: ReadonlyArray<string> = []
    return Trial.run({
      lab,
      name: scenario.name,
      seed,
      topic: { partitions: 4, replicationFactor: 3, configs: compacted },
      fault: (world) =>
        Effect.gen(function* () {
          const chaos = new Chaos(lab, world)
          trace = chaos.trace
          const running: Array<Fiber.Fiber<void, unknown>> = []
          for (let i = 0; i < STEPS; i++) {
            const step = yield* Effect.forkChild(chaos.step)
            running.push(step)
            // every other one overlaps with the next
            if (world.random() < 0.5) yield* Effect.sleep(world.random() * 1_000)
            else yield* Fiber.await(step)
          }
          yield* Effect.forEach(yield* Fiber.awaitAll(running), (exit) => exit, { discard: true })
        })
    }).pipe(Effect.tapCause(() => Effect.sync(() => process.stderr.write(`seed ${seed}: ${trace.join("; ")}\n`))))
  }
}
