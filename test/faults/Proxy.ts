/**
 * A TCP proxy in front of a broker that knows Kafka's frames, and misbehaves on demand.
 *
 * It reads the headers of requests (`size: int32, api_key: int16, api_version: int16, correlation_id: int32, client_id:
 * nullable string`), so that a fault can be about the answers to one kind of request, or about one client. The broker
 * advertises the proxy's address, so clients do not get past it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Net from "node:net"
import { freePorts, type Address } from "../kafka/ports.ts"
import type { TestKafkaError } from "../kafka/TestKafkaError.ts"

/** Kafka's numbers of the requests that tests are about. */
export const Api = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  SaslAuthenticate: 36,
  ConsumerGroupHeartbeat: 68
} as const

/** Whom a fault is about: everybody, unless a client id is given. */
export interface Whom {
  readonly clientId?: string
}

/** What happens to an answer of the broker, which has done what it was asked for. */
export type Fate =
  /** Nobody hears of it; the connection stays, and later answers pass. */
  | { readonly _tag: "Swallow" }
  /** The connection is cut in its place. */
  | { readonly _tag: "Cut" }
  /** So many bytes of its frame pass, then the connection is cut. */
  | { readonly _tag: "Truncate"; readonly bytes: (length: number) => number }
  /** `edit` changes the frame (its size included) in place, and tells whether it did. One that it left alone does not count. */
  | { readonly _tag: "Corrupt"; readonly edit: (frame: Buffer) => boolean }

export interface Rule extends Whom {
  readonly api: number
  readonly fate: Fate
  /** 1 by default. */
  readonly times?: number
}

export interface Armed {
  /** How often it has happened. */
  readonly hits: () => number
  /** Waits until it has happened once. */
  readonly happened: Effect.Effect<void>
}

export interface Proxy {
  readonly address: Address
  /** Connections of clients that are open. */
  readonly open: () => number
  /** Requests of a kind that came so far. */
  readonly requests: (api: number, whom?: Whom) => number
  /** Ends connections in good order. New ones pass. */
  readonly cut: (whom?: Whom) => Effect.Effect<void>
  /** Ends connections with a reset. New ones pass. */
  readonly reset: (whom?: Whom) => Effect.Effect<void>
  /** The broker's ends of the present connections vanish, and nobody tells the clients. New ones pass. */
  readonly halfOpen: (whom?: Whom) => Effect.Effect<void>
  /**
   * Nothing passes, either way, until the scope ends; then all of it does, also what a client had sent before it gave up.
   * New connections are accepted, and as silent.
   */
  readonly stall: (whom?: Whom) => Effect.Effect<void, never, Scope.Scope>
  /** New connections are refused, and the present ones reset, until the scope ends. */
  readonly refuse: Effect.Effect<void, never, Scope.Scope>
  /** Connections of a client are reset at its first request, until the scope ends. */
  readonly banish: (whom: Required<Whom>) => Effect.Effect<void, never, Scope.Scope>
  /** Each chunk takes so much longer, both ways, until the scope ends. */
  readonly delay: (millis: number, whom?: Whom) => Effect.Effect<void, never, Scope.Scope>
  /** So many bytes per second, connection and direction, until the scope ends. */
  readonly throttle: (bytesPerSecond: number, whom?: Whom) => Effect.Effect<void, never, Scope.Scope>
  /** Arms a rule, until the scope ends. The first rule that fits an answer decides about it. */
  readonly rule: (rule: Rule) => Effect.Effect<Armed, never, Scope.Scope>
}

interface Hindrance extends Passage {
  readonly whom: Whom
  readonly stall: boolean
}

interface ArmedRule {
  readonly rule: Rule
  hits: number
  readonly happened: Deferred.Deferred<void>
}

/** Cuts a byte stream into frames, each with its size in front. */
class Frames {
  private left: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): ReadonlyArray<Buffer> {
    let rest = this.left.length === 0 ? chunk : Buffer.concat([this.left, chunk])
    const frames: Array<Buffer> = []
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      frames.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    this.left = rest
    return frames
  }

  /** What came of a frame that is not complete. */
  get rest(): Buffer {
    return this.left
  }
}

/** How the next bytes of a direction may pass. */
interface Passage {
  /** Before what is at the front of the queue. */
  readonly delayMillis: number
  readonly bytesPerSecond: number
}

/** Where there is a limit, what passes at once is what may pass in so many milliseconds. */
const PIECE_MILLIS = 50

/** One direction: what was received, in order, on its way out. */
class Pipe {
  private readonly queue: Array<Buffer> = []
  private timer: ReturnType<typeof setTimeout> | undefined
  private ended = false
  private readonly to: Net.Socket
  private readonly passage: () => Passage | undefined

  /** `passage`: `undefined` for not before further notice. */
  constructor(to: Net.Socket, passage: () => Passage | undefined) {
    this.to = to
    this.passage = passage
  }

  push(bytes: Buffer): void {
    if (bytes.length > 0) this.queue.push(bytes)
    this.pump()
  }

  /** Ends the other side when all that was received has passed. */
  end(): void {
    this.ended = true
    this.pump()
  }

  pump(): void {
    while (this.timer === undefined) {
      const passage = this.passage()
      if (passage === undefined) return
      if (this.queue.length === 0) {
        if (this.ended) this.to.destroySoon()
        return
      }
      const { bytesPerSecond, delayMillis } = passage
      const piece = this.take(Math.max(1, Math.floor((bytesPerSecond * PIECE_MILLIS) / 1000)))
      const millis = delayMillis + (piece.length * 1000) / bytesPerSecond
      if (millis === 0) this.to.write(piece)
      else {
        this.timer = setTimeout(() => {
          this.timer = undefined
          this.to.write(piece)
          this.pump()
        }, millis)
      }
    }
  }

  private take(bytes: number): Buffer {
    const [first] = this.queue
    if (first.length <= bytes) {
      this.queue.shift()
      return first
    }
    this.queue[0] = first.subarray(bytes)
    return first.subarray(0, bytes)
  }

  destroy(): void {
    clearTimeout(this.timer)
    this.queue.length = 0
  }
}

/** A client's connection and the broker's. */
class Link {
  /** Of the first request. */
  clientId: string | undefined
  private readonly asked = new Map<number, number>()
  private readonly toBroker: Pipe
  private readonly toClient: Pipe
  private readonly requests = new Frames()
  private readonly answers = new Frames()
  private dead = false
  readonly client: Net.Socket
  private readonly broker: Net.Socket
  private readonly state: State

  constructor(client: Net.Socket, target: Address, state: State) {
    this.client = client
    this.state = state
    this.broker = Net.connect(target)
    this.toBroker = new Pipe(this.broker, () => this.passage())
    this.toClient = new Pipe(client, () => this.passage())
    for (const socket of [client, this.broker]) {
      socket.setNoDelay(true)
      socket.on("error", () => {})
    }
    client.on("data", (chunk: Buffer) => this.onRequests(chunk))
    client.on("close", () => {
      this.toClient.destroy()
      // what it had sent is on its way all the same
      if (!this.dead) this.toBroker.push(this.requests.rest)
      this.toBroker.end()
    })
    this.broker.on("data", (chunk: Buffer) => this.onAnswers(chunk))
    this.broker.on("close", () => {
      this.toBroker.destroy()
      if (this.dead) return
      this.toClient.push(this.answers.rest)
      this.toClient.end()
    })
    for (const socket of [client, this.broker]) {
      socket.on("close", () => {
        if (client.closed && this.broker.closed) state.links.delete(this)
      })
    }
    state.links.add(this)
  }

  get isOpen(): boolean {
    return !this.client.closed
  }

  private passage(): Passage | undefined {
    let delayMillis = 0
    let bytesPerSecond = Number.POSITIVE_INFINITY
    for (const one of this.state.hindrances) {
      if (!this.isOf(one.whom)) continue
      if (one.stall) return undefined
      delayMillis += one.delayMillis
      bytesPerSecond = Math.min(bytesPerSecond, one.bytesPerSecond)
    }
    return { delayMillis, bytesPerSecond }
  }

  isOf({ clientId }: Whom): boolean {
    return clientId === undefined || clientId === this.clientId
  }

  pump(): void {
    this.toBroker.pump()
    this.toClient.pump()
  }

  private onRequests(chunk: Buffer): void {
    if (this.dead) return
    for (const frame of this.requests.push(chunk)) {
      const api = frame.readInt16BE(4)
      const length = frame.readInt16BE(12)
      this.clientId ??= length < 0 ? "" : frame.toString("utf8", 14, 14 + length)
      this.state.count(api, this.clientId)
      if (this.state.banished.has(this.clientId)) return this.reset()
      this.asked.set(frame.readInt32BE(8), api)
      this.toBroker.push(frame)
    }
  }

  private onAnswers(chunk: Buffer): void {
    if (this.dead) return
    for (const frame of this.answers.push(chunk)) {
      const correlationId = frame.readInt32BE(4)
      const api = this.asked.get(correlationId)
      this.asked.delete(correlationId)
      const armed = this.state.rules.find(
        ({ hits, rule }) => rule.api === api && hits < (rule.times ?? 1) && this.isOf(rule)
      )
      if (armed === undefined) this.toClient.push(frame)
      else if (!this.meet(armed, frame)) return
    }
  }

  /** Returns whether the connection goes on. */
  private meet(armed: ArmedRule, frame: Buffer): boolean {
    const { fate } = armed.rule
    const changed = fate._tag !== "Corrupt" || fate.edit(frame)
    if (changed) {
      armed.hits++
      Deferred.doneUnsafe(armed.happened, Effect.void)
    }
    switch (fate._tag) {
      case "Swallow":
        return true
      case "Corrupt":
        this.toClient.push(frame)
        return true
      case "Cut":
        this.cut()
        return false
      case "Truncate":
        this.toClient.push(frame.subarray(0, Math.min(frame.length - 1, fate.bytes(frame.length))))
        this.cut()
        return false
    }
  }

  /** In good order: what the broker had said is delivered first. */
  cut(): void {
    this.dead = true
    this.broker.destroy()
    this.toClient.end()
  }

  reset(): void {
    this.dead = true
    this.broker.destroy()
    this.client.resetAndDestroy()
  }

  halfOpen(): void {
    this.dead = true
    this.broker.destroy()
    this.toClient.destroy()
  }

  destroy(): void {
    this.dead = true
    this.client.destroy()
    this.broker.destroy()
    this.toClient.destroy()
    this.toBroker.destroy()
  }
}

/** What all connections have in common. */
class State {
  /** Those that are open at one end at least. */
  readonly links = new Set<Link>()
  readonly rules: Array<ArmedRule> = []
  readonly hindrances = new Set<Hindrance>()
  readonly banished = new Set<string>()
  private readonly counts = new Map<string, number>()

  count(api: number, clientId: string): void {
    for (const key of [`${api}`, `${api} ${clientId}`]) this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
  }

  requests(api: number, { clientId }: Whom): number {
    return this.counts.get(clientId === undefined ? `${api}` : `${api} ${clientId}`) ?? 0
  }

  each(whom: Whom | undefined, f: (link: Link) => void): Effect.Effect<void> {
    return Effect.sync(() => {
      for (const link of [...this.links]) if (link.isOpen && link.isOf(whom ?? {})) f(link)
    })
  }

  hinder(hindrance: Partial<Hindrance>): Effect.Effect<void, never, Scope.Scope> {
    const whole: Hindrance = {
      whom: {},
      stall: false,
      delayMillis: 0,
      bytesPerSecond: Number.POSITIVE_INFINITY,
      ...hindrance
    }
    return Effect.acquireRelease(
      Effect.sync(() => this.hindrances.add(whole)),
      () =>
        Effect.sync(() => {
          this.hindrances.delete(whole)
          for (const link of this.links) link.pump()
        })
    ).pipe(Effect.asVoid)
  }
}

const listen = (server: Net.Server, address: Address): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const onError = (cause: Error) => resume(Effect.die(cause))
    server.once("error", onError)
    server.listen(address, () => {
      server.off("error", onError)
      resume(Effect.void)
    })
  })

const unlisten = (server: Net.Server): Effect.Effect<void> =>
  Effect.sync(() => {
    server.close()
  })

/** Listens until the scope ends. Nothing but plain connections: frames cannot be told apart in TLS. */
export const make = (target: Address): Effect.Effect<Proxy, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    // below what outgoing connections get: while it is refused, nobody is to be connected to itself
    const [port] = yield* freePorts(1)
    const address = { host: "127.0.0.1", port }
    const state = new State()
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => Net.createServer((socket) => new Link(socket, target, state))),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const link of state.links) link.destroy()
        })
    )
    yield* listen(server, address)
    const turn = yield* Semaphore.make(1)
    let refusals = 0

    return {
      address,
      open: () => [...state.links].filter((link) => link.isOpen).length,
      requests: (api, whom = {}) => state.requests(api, whom),
      cut: (whom) => state.each(whom, (link) => link.cut()),
      reset: (whom) => state.each(whom, (link) => link.reset()),
      halfOpen: (whom) => state.each(whom, (link) => link.halfOpen()),
      stall: (whom = {}) => state.hinder({ whom, stall: true }),
      refuse: Effect.acquireRelease(
        turn.withPermits(1)(
          Effect.suspend(() =>
            refusals++ > 0
              ? Effect.void
              : Effect.andThen(
                  unlisten(server),
                  state.each(undefined, (link) => link.reset())
                )
          )
        ),
        () => turn.withPermits(1)(Effect.suspend(() => (--refusals > 0 ? Effect.void : listen(server, address))))
      ),
      banish: ({ clientId }) =>
        Effect.acquireRelease(
          Effect.andThen(
            Effect.sync(() => state.banished.add(clientId)),
            state.each({ clientId }, (link) => link.reset())
          ),
          () => Effect.sync(() => state.banished.delete(clientId))
        ),
      delay: (delayMillis, whom = {}) => state.hinder({ whom, delayMillis }),
      throttle: (bytesPerSecond, whom = {}) => state.hinder({ whom, bytesPerSecond }),
      rule: (rule) =>
        Effect.acquireRelease(
          Effect.map(Deferred.make<void>(), (happened): ArmedRule => {
            const armed = { rule, hits: 0, happened }
            state.rules.push(armed)
            return armed
          }),
          (armed) => Effect.sync(() => state.rules.splice(state.rules.indexOf(armed), 1))
        ).pipe(Effect.map((armed) => ({ hits: () => armed.hits, happened: Deferred.await(armed.happened) })))
    }
  })
