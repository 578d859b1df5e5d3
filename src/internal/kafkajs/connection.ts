/**
 * One TCP connection by kafkajs: opening it, TLS and SASL are kafkajs's; the frames, the timeouts, the closing and all
 * requests are ours. Numbers such as K4 name a known trap of kafkajs 2.2.4 that a guard is for; they
 * are listed in docs/kafkajs.md.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import Connection from "kafkajs/src/network/connection.js"
import protocol from "kafkajs/src/protocol/requests/index.js"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { Broker, BrokerConnection } from "../../KafkaClient.ts"
import { ConnectionError, type ConnectionReason } from "../../KafkaError.ts"
import { Bag, type Item } from "../bag.ts"
import { type Api, decodeResponse, encodeRequest, negotiate, type VersionRange } from "../protocol/api.ts"
import { createTopics } from "../protocol/createTopics.ts"
import { describeConfigs } from "../protocol/describeConfigs.ts"
import { fetch, FETCH_BY_ID } from "../protocol/fetch.ts"
import { incrementalAlterConfigs } from "../protocol/incrementalAlterConfigs.ts"
import { initProducerId } from "../protocol/initProducerId.ts"
import { listOffsets } from "../protocol/listOffsets.ts"
import { metadata } from "../protocol/metadata.ts"
import { produce } from "../protocol/produce.ts"
import { FrameReader, requestFrames } from "./frames.ts"
import { socketReason, socketWords } from "./socketErrors.ts"

/** What every connection of one client has in common. Secrets are in the clear here: never log or expose this. */
export interface ConnectionSettings {
  readonly clientId: string
  readonly connectTimeoutMillis: number
  readonly requestTimeoutMillis: number
  readonly tls: Tls.ConnectionOptions | undefined
  /** A fresh object for each connection, as kafkajs keeps the mechanism's state in it. `signal`: the connection is gone. */
  readonly sasl: ((signal: AbortSignal) => { readonly mechanism: string }) | undefined
  readonly logger: unknown
}

const KEEP_ALIVE_MILLIS = 60_000

/** As much as libuv reads at once. */
const READ_BYTES = 64 * 1024

/** Made at once: kafkajs loads its files with the first. */
const askVersions = protocol.requests.ApiVersions.protocol({ version: 2 })()

/** kafkajs re-authenticates this long before a SASL session ends. */
const REAUTHENTICATE_BEFORE_MILLIS = 10_000

/** A timer of more milliseconds than an int32 holds would fire at once. */
const MAX_TIMER_MILLIS = 2_147_483_647

interface Waiting extends Item {
  readonly fail: (error: ConnectionError) => void
}

interface Answer extends Item {
  readonly correlationId: number
  readonly came: (payload: Buffer) => void
}

class Socket {
  readonly address: string
  private readonly raw: Connection
  private socket: Net.Socket | undefined
  private failure: ConnectionError | undefined
  private connecting = true
  /** When bytes came last, on the clock of `performance`. */
  private receivedAt = 0
  private readonly frames: FrameReader
  private readonly gone = new AbortController()
  private readonly waiting = new Bag<Waiting>()
  /** Answers that are to come. */
  private readonly answers = new Bag<Answer>()
  private readonly frameOf: ReturnType<typeof requestFrames>
  private versions = new Map<number, VersionRange>()
  private readonly settings: ConnectionSettings

  constructor(settings: ConnectionSettings, broker: Pick<Broker, "host" | "port">) {
    this.settings = settings
    // not by `Net.isIPv6`, whose first call costs 3 ms
    this.address = `${broker.host.includes(":") ? `[${broker.host}]` : broker.host}:${broker.port}`
    this.frameOf = requestFrames(settings.clientId)
    this.raw = new Connection({
      host: broker.host,
      port: broker.port,
      logger: settings.logger,
      socketFactory: ({ host, onConnect, port }) => this.open(host, port, onConnect),
      requestTimeout: settings.requestTimeoutMillis,
      connectionTimeout: settings.connectTimeoutMillis,
      // K4, K5, K19: requests are timed by us; kafkajs's timer only wakes the process
      enforceRequestTimeout: false,
      clientId: settings.clientId,
      ssl: settings.tls ?? null,
      sasl: settings.sasl?.(this.gone.signal) ?? null
    })
    // K19: the queue re-arms a timer for ever; nothing is ever pending here, as we neither throttle nor limit in it
    this.raw.requestQueue.scheduleCheckPendingRequests = () => {}
    // K20: kafkajs waits for answers before it closes
    this.raw.disconnect = () => {
      this.down("Closed", "connection", "closed by the broker")
      return Promise.resolve(true)
    }
    // K1, K3: our own frames, of this one connection
    this.frames = new FrameReader((correlationId, payload) => {
      if (this.failure !== undefined) return
      const answer = this.answers.find((one) => one.correlationId === correlationId)
      if (answer === undefined) {
        // of the handshake, which is kafkajs's
        this.raw.requestQueue.fulfillRequest({ correlationId, payload, size: payload.length })
      } else {
        this.answers.remove(answer)
        answer.came(payload)
      }
    })
    this.raw.processData = (chunk) => this.receive(chunk)
  }

  /** The bytes that come, in pieces that are not kept. */
  private receive(chunk: Buffer): void {
    if (this.failure !== undefined) return
    this.receivedAt = performance.now()
    const violation = this.frames.take(chunk)
    if (violation !== undefined) this.down("Protocol", "connection", violation)
  }

  /** Bytes that were read to where they belong. */
  private received(length: number): void {
    if (this.failure !== undefined) return
    this.receivedAt = performance.now()
    this.frames.came(length)
  }

  private open(host: string, port: number, onConnect: () => void): Net.Socket {
    const tls = this.settings.tls
    const socket: Net.Socket =
      tls === undefined
        ? Net.connect({ host, port, onread: this.reading() }, onConnect)
        : Tls.connect({ host, port, ...(Net.isIP(host) === 0 ? { servername: host } : {}), ...tls }, onConnect)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MILLIS)
    socket.on("error", (error: Error) =>
      this.down(
        socketReason(error, this.connecting),
        this.connecting ? "connect" : "connection",
        socketWords(error),
        error
      )
    )
    socket.on("close", () => this.down("Closed", "connection"))
    this.socket = socket
    return socket
  }

  /**
   * One buffer for all reads, and none in between for a large answer: a stream of chunks would be a buffer each, 64 KiB at
   * most, which is a third of the time that such an answer takes. TLS has no such option.
   */
  private reading(): Net.OnReadOpts {
    const chunk = Buffer.allocUnsafeSlow(READ_BYTES)
    return {
      buffer: () => this.frames.room ?? chunk,
      callback: (length, into) => {
        if (into === chunk) this.receive(chunk.subarray(0, length))
        else this.received(length)
        return true
      }
    }
  }

  /** K2, K4: the first failure ends the connection for good. Synchronous: nothing of it is left afterwards. */
  down(reason: ConnectionReason, request: string, detail?: string, cause?: unknown): ConnectionError {
    if (this.failure !== undefined) return this.failure
    const error = new ConnectionError({
      reason,
      broker: this.address,
      request,
      ...(detail === undefined ? {} : { detail }),
      ...(cause === undefined ? {} : { cause })
    })
    this.failure = error
    // kafkajs's own connect timer is only cleared by an error event
    this.socket?.destroy(this.connecting ? error : undefined)
    this.raw.connectionStatus = "disconnected"
    this.raw.requestQueue.rejectAll(error)
    this.raw.requestQueue.destroy()
    this.gone.abort()
    this.answers.forEach((one) => this.answers.remove(one))
    this.waiting.forEach((one) => one.fail(error))
    return error
  }

  get isOpen(): boolean {
    return this.failure === undefined
  }

  /**
   * Until `start` calls back, the connection goes down, or nothing has come for `millis`, which takes it down. It goes on
   * when its fiber is interrupted: the answer still comes, or its silence or its garbage tells of the broker all the same.
   * Undoing it would cost each request an `onInterrupt`, whose objects V8 comes to allocate as old ones, with all that
   * they hold (docs/performance.md).
   */
  private wait<A>(
    request: string,
    millis: number,
    start: (done: (result: Effect.Effect<A, ConnectionError>) => void) => void
  ): Effect.Effect<A, ConnectionError> {
    return Effect.async((resume) => {
      if (this.failure !== undefined) return resume(Effect.fail(this.failure))
      const done = (result: Effect.Effect<A, ConnectionError>) => {
        this.waiting.remove(waiting)
        stopWatch()
        resume(result)
      }
      const waiting: Waiting = { at: 0, fail: (error) => done(Effect.fail(error)) }
      const stopWatch = this.watchSilence(request, millis)
      this.waiting.add(waiting)
      start(done)
    })
  }

  /**
   * Takes it down when nothing has come for so long. A large answer may take longer to arrive, where the network is slow;
   * and what came while the event loop was held up is read first. A timer of the system, as the socket's time is: one
   * costs nothing beside a fiber for each request.
   */
  private watchSilence(request: string, millis: number): () => void {
    const from = performance.now()
    let timer: NodeJS.Timeout
    let looking: NodeJS.Immediate | undefined
    const look = () => {
      const silent = performance.now() - Math.max(from, this.receivedAt)
      if (silent < millis) start(millis - silent)
      else this.down("Timeout", request, `no answer within ${millis} ms`)
    }
    const start = (rest: number) => {
      timer = setTimeout(() => {
        looking = setImmediate(look)
      }, rest)
    }
    start(millis)
    return () => {
      clearTimeout(timer)
      if (looking !== undefined) clearImmediate(looking)
    }
  }

  /** The same for a promise of kafkajs. */
  private settled<A>(
    request: string,
    millis: number,
    run: () => Promise<A>,
    failed: (cause: unknown) => ConnectionError
  ): Effect.Effect<A, ConnectionError> {
    return this.wait(request, millis, (done) => {
      run().then(
        (value) => done(Effect.succeed(value)),
        (cause: unknown) => done(Effect.fail(this.failure ?? failed(cause)))
      )
    })
  }

  get handshake(): Effect.Effect<void, ConnectionError> {
    const { connectTimeoutMillis } = this.settings
    const failed = (reason: ConnectionReason) => (cause: unknown) =>
      this.down(reason, "connect", messageOf(cause), cause)
    return Effect.suspend(() =>
      this.settled("connect", connectTimeoutMillis, () => this.raw.connect(), failed("Unreachable"))
    ).pipe(
      Effect.tap(() => {
        this.connecting = false
      }),
      Effect.andThen(
        // K6: negotiated on every connection, and required
        this.settled("ApiVersions", connectTimeoutMillis, () => this.raw.send(askVersions), failed("Protocol"))
      ),
      Effect.tap(({ apiVersions }) => {
        this.versions = new Map(apiVersions.map((v) => [v.apiKey, { min: v.minVersion, max: v.maxVersion }]))
        this.raw.setVersions(Object.fromEntries(apiVersions.map((v) => [v.apiKey, v])))
        this.raw.setSupportAuthenticationProtocol(true)
      }),
      Effect.andThen(
        this.settings.sasl === undefined
          ? Effect.void
          : this.settled("SaslAuthenticate", connectTimeoutMillis, () => this.authenticate(), failed("Authentication"))
      ),
      Effect.asVoid
    )
  }

  /**
   * K21: a threshold above the session's lifetime would authenticate before every request. Sessions differ: a token may
   * end before the broker's limit does. Whole milliseconds: kafkajs throws on others.
   */
  private authenticate(): Promise<void> {
    return this.raw.authenticate().then(() => {
      const lifetime = this.raw.sessionLifetime.toNumber()
      if (lifetime === 0) return
      this.raw.reauthenticationThreshold = Math.min(REAUTHENTICATE_BEFORE_MILLIS, Math.floor(lifetime / 4))
    })
  }

  /** One of our own requests, in the newest version that both sides speak. */
  call<Req, Res>(
    api: Api<Req, Res>,
    request: Req,
    options?: { readonly extraMillis?: number; readonly maxVersion?: number }
  ): Effect.Effect<Res, ConnectionError> {
    return Effect.suspend(() => {
      const offered = this.versions.get(api.key)
      const version = negotiate(api, offered, options?.maxVersion)
      if (version === undefined) {
        const theirs = offered === undefined ? "no version of it" : `versions ${offered.min} to ${offered.max}`
        return Effect.fail(
          new ConnectionError({
            reason: "UnsupportedVersion",
            broker: this.address,
            request: api.name,
            detail: `the broker has ${theirs}, this library ${api.versions.min} to ${api.versions.max}`
          })
        )
      }
      const millis = Math.min(MAX_TIMER_MILLIS, this.settings.requestTimeoutMillis + (options?.extraMillis ?? 0))
      const body = encodeRequest(api, version, request)
      const send = this.wait<Res>(api.name, millis, (done) => {
        const correlationId = this.raw.nextCorrelationId()
        const answer: Answer = {
          at: 0,
          correlationId,
          came: (payload) => {
            try {
              done(Effect.succeed(decodeResponse(api, version, payload, request)))
            } catch (cause) {
              this.down("Protocol", api.name, messageOf(cause), cause)
            }
          }
        }
        this.answers.add(answer)
        this.socket!.write(this.frameOf(api.key, version, correlationId, body))
      })
      return this.isAuthenticated ? send : Effect.zipRight(this.authenticateAgain(api.name), send)
    })
  }

  private get isAuthenticated(): boolean {
    return this.settings.sasl === undefined || this.raw.isAuthenticated()
  }

  /** In front of a request, when the SASL session ends soon. Who comes meanwhile waits for the same. */
  private authenticateAgain(request: string): Effect.Effect<void, ConnectionError> {
    return this.settled(
      request,
      this.settings.connectTimeoutMillis,
      () => this.authenticate(),
      (cause) =>
        this.down(isAuthenticationFailure(cause) ? "Authentication" : "Protocol", request, messageOf(cause), cause)
    )
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** kafkajs names the failures of a re-authentication. */
const isAuthenticationFailure = (cause: unknown): boolean =>
  cause instanceof Error && cause.name === "KafkaJSSASLAuthenticationError"

/** A `BrokerConnection` that is closed, at once, with the scope. */
export const connect = (
  settings: ConnectionSettings,
  broker: Pick<Broker, "host" | "port">
): Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Socket(settings, broker)),
    (socket) => Effect.sync(() => socket.down("Closed", "connection", "closed by this client"))
  ).pipe(
    Effect.tap((socket) => socket.handshake),
    Effect.map((socket): BrokerConnection => {
      return {
        address: socket.address,
        isOpen: () => socket.isOpen,
        metadata: (topics) => socket.call(metadata, { topics }),
        listOffsets: (request) => socket.call(listOffsets, request),
        fetch: (request) =>
          socket.call(fetch, request, {
            extraMillis: request.maxWaitMillis,
            // by topic id where it can be, so that a re-created topic is not read at an old position (K24)
            ...(request.topic.id === undefined ? { maxVersion: FETCH_BY_ID - 1 } : {})
          }),
        initProducerId: socket.call(initProducerId, undefined),
        produce: (request) => socket.call(produce, request, { extraMillis: request.timeoutMillis }),
        createTopic: (request) => socket.call(createTopics, request, { extraMillis: request.timeoutMillis }),
        describeConfigs: (topic) => socket.call(describeConfigs, { topic }),
        alterConfigs: (topic, set) => socket.call(incrementalAlterConfigs, { topic, set })
      }
    })
  )
