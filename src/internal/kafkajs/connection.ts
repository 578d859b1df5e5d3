/**
 * One TCP connection by kafkajs: opening it, TLS and SASL are kafkajs's; the frames, the timeouts, the closing and all
 * requests are ours. A number such as K4 names the known trap of kafkajs 2.2.4 that the code beside it guards against:
 * docs/kafkajs.md lists them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import Connection from "kafkajs/src/network/connection.js"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { BrokerConnection } from "../../KafkaClient.ts"
import { ConnectionError, type ConnectionReason } from "../../KafkaError.ts"
import { Bag, type Item } from "../bag.ts"
import { type Address, addressOf } from "../client/address.ts"
import { closingWords } from "../client/given.ts"
import { foreignText } from "../foreignText.ts"
import { decodeResponse, encodeRequest, type Message, negotiate, type VersionRange } from "../protocol/api.ts"
import { apiOf } from "../protocol/apis.ts"
import {
  API_VERSIONS,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
  apiVersions
} from "../protocol/apiVersions.ts"
import { UNSUPPORTED_VERSION } from "../protocol/codes.ts"
import { describeCode } from "../protocol/errorCodes.ts"
import { saslAuthenticate, saslHandshake } from "../protocol/sasl.ts"
import { VERSION } from "./version.ts"
import { FrameReader, requestFrames } from "./frames.ts"
import { socketReason, socketWords } from "./socketErrors.ts"

/** What every connection of one client has in common. Secrets are in the clear here: never log or expose this. */
export interface ConnectionSettings {
  readonly clientId: string
  readonly connectTimeoutMillis: number
  readonly requestTimeoutMillis: number
  readonly tls: Tls.ConnectionOptions | undefined
  /**
   * Makes kafkajs's description of the mechanism: an object for each connection, as kafkajs keeps the mechanism's state
   * in it. `signal` aborts when the connection is gone.
   */
  readonly sasl: ((signal: AbortSignal) => { readonly mechanism: string }) | undefined
  readonly logger: unknown
}

/** A socket that is idle for as long asks its peer whether it is still there (TCP keep-alive). */
const KEEP_ALIVE_MILLIS = 60_000

/** How many bytes libuv reads at once. */
const READ_BYTES = 64 * 1024

/** A SASL session is renewed this long before it ends. */
const REAUTHENTICATE_BEFORE_MILLIS = 10_000

/** A shorter session counts as this long: otherwise each request would authenticate, which is expensive on purpose. */
const MIN_SESSION_MILLIS = 1_000

/** A timer of more milliseconds than an int32 holds would fire at once. */
const MAX_TIMER_MILLIS = 2_147_483_647

/**
 * An answer that is arriving at its deadline may go on for as long again, and from then on as long as it has come at
 * this rate on average, in bytes per millisecond.
 */
const MIN_BYTES_PER_MILLI = 8

/** A timer that fires later than this, in milliseconds, says that the event loop was held up. */
const LATE_MILLIS = 100

/** An error quotes at most this many characters of what a broker or a library said. */
const DETAIL_LENGTH = 1_024

/** An error keeps no cause whose message is longer than this many characters. */
const MAX_CAUSE = 8 * DETAIL_LENGTH

/** What brokers count this client as in their metrics. */
const SOFTWARE: ApiVersionsRequest = { software: { name: "effect-ktables", version: VERSION } }

/** An Effect that waits on a connection, and fails when that goes down. */
interface Waiting extends Item {
  readonly fail: (error: ConnectionError) => void
}

/** The answer to one of our own requests, until it has come. */
interface Answer extends Item {
  readonly correlationId: number
  readonly maxBytes: number
  readonly came: (payload: Buffer) => void
}

/** The socket of one connection, with the requests that wait on it. */
class Socket {
  readonly address: string
  private readonly raw: Connection
  private socket: Net.Socket | undefined
  private failure: ConnectionError | undefined
  private connecting = true
  /** When the last bytes came, on the clock of `performance`. */
  private receivedAt = 0
  private readonly frames: FrameReader
  private readonly gone = new AbortController()
  private readonly waiting = new Bag<Waiting>()
  /** The answers that are still to come. */
  private readonly answers = new Bag<Answer>()
  /** The answer that is arriving; `undefined` between two answers, and while one to kafkajs's own requests arrives. */
  private arriving: Answer | undefined
  private readonly frameOf: ReturnType<typeof requestFrames>
  private versions: ReadonlyMap<number, VersionRange> = new Map()
  /** The cluster's features, as the broker told them when it was connected to. */
  features: ReadonlyMap<string, VersionRange> | undefined
  /** When to authenticate again, on the clock of `performance`. */
  private authenticateAt = Number.NEGATIVE_INFINITY
  private readonly settings: ConnectionSettings

  constructor(settings: ConnectionSettings, broker: Address) {
    this.settings = settings
    this.address = addressOf(broker)
    this.frameOf = requestFrames(settings.clientId)
    this.raw = new Connection({
      host: broker.host,
      port: broker.port,
      logger: settings.logger,
      socketFactory: ({ host, onConnect, port }) => this.open(host, port, onConnect),
      requestTimeout: settings.requestTimeoutMillis,
      connectionTimeout: settings.connectTimeoutMillis,
      // K4, K5, K19: Requests have our own timeouts; kafkajs's timer would only wake the process.
      enforceRequestTimeout: false,
      clientId: settings.clientId,
      ssl: settings.tls ?? null,
      sasl: settings.sasl?.(this.gone.signal) ?? null
    })
    // K19: The queue arms this timer again and again for requests that it holds back, and it never holds one back here.
    this.raw.requestQueue.scheduleCheckPendingRequests = () => {}
    // K20: kafkajs would wait for answers before it closes.
    this.raw.disconnect = () => {
      this.down("Closed", "connection", "closed by the broker")
      return Promise.resolve(true)
    }
    // K21: Our own clock decides when a SASL session has to be renewed.
    this.raw.isAuthenticated = () => this.isAuthenticated
    // K1, K3: The frames are our own, and belong to this one connection.
    this.frames = new FrameReader(
      (correlationId, payload) => this.answered(correlationId, payload),
      (correlationId) => this.maxBytesOf(correlationId)
    )
    this.raw.processData = (chunk) => this.receive(chunk)
  }

  /** Notes which answer begins to arrive. Returns how many bytes it may have; `undefined` if nobody asked for it. */
  private maxBytesOf(correlationId: number): number | undefined {
    this.arriving = this.answers.find((one) => one.correlationId === correlationId)
    return this.arriving?.maxBytes ?? saslApi(this.raw.requestQueue.inflight.get(correlationId)?.entry)?.maxAnswerBytes
  }

  /** Hands a complete answer to whoever asked for it. */
  private answered(correlationId: number, payload: Buffer): void {
    if (this.failure !== undefined) return
    const answer = this.arriving
    if (answer === undefined) return this.answeredToKafkajs(correlationId, payload)
    this.arriving = undefined
    this.answers.remove(answer)
    answer.came(payload)
  }

  /**
   * K28: kafkajs believes each count and length in an answer, so only answers that are well formed are handed to it.
   */
  private answeredToKafkajs(correlationId: number, payload: Buffer): void {
    const entry = this.raw.requestQueue.inflight.get(correlationId)!.entry
    const api = saslApi(entry)!
    try {
      decodeResponse(api, entry.apiVersion, payload, undefined)
    } catch (cause) {
      this.down("Protocol", api.name, messageOf(cause), cause)
      return
    }
    this.raw.requestQueue.fulfillRequest({ correlationId, payload, size: payload.length })
  }

  /** Takes the next bytes of the stream. The chunk is not kept. */
  private receive(chunk: Buffer): void {
    if (this.failure !== undefined) return
    this.receivedAt = performance.now()
    const violation = this.frames.take(chunk)
    if (violation !== undefined) this.down("Protocol", "connection", violation)
  }

  /** Notes bytes that were read into the memory of their frame. */
  private received(length: number): void {
    if (this.failure !== undefined) return
    this.receivedAt = performance.now()
    this.frames.came(length)
  }

  /** Opens the socket for kafkajs. */
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
   * Reads into one buffer that is used again and again, and the rest of a large answer into its own memory. A stream of
   * chunks would allocate a buffer of at most 64 KiB for each read, which is a third of the time that a large answer
   * takes. TLS sockets have no such option.
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

  /**
   * K2, K4: Ends the connection for good, and returns the error that it ended with: only the first failure counts. This
   * is synchronous, so that nothing of the connection is left afterwards.
   */
  down(reason: ConnectionReason, request: string, detail?: string, cause?: unknown): ConnectionError {
    if (this.failure !== undefined) return this.failure
    const error = new ConnectionError({
      reason,
      broker: this.address,
      request,
      ...(detail === undefined ? {} : { detail: foreignText(detail, DETAIL_LENGTH) }),
      ...(isFit(cause) ? { cause } : {})
    })
    this.failure = error
    // Only an error event clears kafkajs's own connect timer.
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
   * Waits until `start` calls back, the connection goes down, or `millis` have passed, which takes the connection down.
   * `start` returns the answer that it waits for, if it is one to our own requests. The wait goes on when its fiber is
   * interrupted, as the answer still comes, and its absence tells that the broker is dead all the same. To undo it
   * would cost each request an `onInterrupt`, whose objects V8 comes to allocate as old ones, with all that they hold
   * (docs/performance.md).
   */
  private wait<A>(
    request: string,
    millis: number,
    start: (done: (result: Effect.Effect<A, ConnectionError>) => void) => Answer | undefined
  ): Effect.Effect<A, ConnectionError> {
    return Effect.async((resume) => {
      if (this.failure !== undefined) return resume(Effect.fail(this.failure))
      const done = (result: Effect.Effect<A, ConnectionError>) => {
        this.waiting.remove(waiting)
        stopWatch?.()
        resume(result)
      }
      const waiting: Waiting = { at: 0, fail: (error) => done(Effect.fail(error)) }
      this.waiting.add(waiting)
      const answer = start(done)
      const stopWatch = this.failure === undefined ? this.watch(request, millis, answer) : undefined
    })
  }

  /**
   * Takes the connection down when `millis` have passed without this answer, whatever else has come on it. An answer
   * that is arriving by then may take longer, where the network is slow: as long as its bytes keep coming, at a rate
   * that such a network has. What came while the event loop was held up is read first. The timer is the host's rather
   * than one of Effect's Clock, as a socket lives in real time, and as a fiber for each request would cost much more.
   * Returns what stops it.
   */
  private watch(request: string, millis: number, answer: Answer | undefined): () => void {
    const from = performance.now()
    let due = from + millis
    let wasHeldUp = false
    let timer: NodeJS.Timeout
    let looking: NodeJS.Immediate | undefined
    const look = () => {
      const now = performance.now()
      const late = now - due
      if (answer !== undefined && this.arriving === answer) {
        due = Math.min(this.receivedAt + millis, from + 2 * millis + this.frames.arrived / MIN_BYTES_PER_MILLI)
      }
      if (due <= now && late > LATE_MILLIS && !wasHeldUp) {
        // This is granted once: an event loop that is always held up is no reason to wait for ever.
        wasHeldUp = true
        due = now + Math.min(late, millis)
      }
      if (due > now) start(due - now)
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

  /** Waits as `wait` does, for a promise of kafkajs. */
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
      return undefined
    })
  }

  /** Connects, negotiates versions, and authenticates where that is asked for. */
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
      // K6: Versions are negotiated on every connection, and have to be.
      Effect.andThen(this.askForVersions(API_VERSIONS.newest)),
      Effect.flatMap((answer) =>
        answer.errorCode === UNSUPPORTED_VERSION ? this.askForVersions(API_VERSIONS.oldest) : Effect.succeed(answer)
      ),
      Effect.flatMap(({ errorCode, features, versions }) => {
        if (errorCode !== 0) {
          const reason = errorCode === UNSUPPORTED_VERSION ? "UnsupportedVersion" : "Protocol"
          return Effect.fail(this.down(reason, apiVersions.name, describeCode(errorCode).name))
        }
        this.versions = versions
        this.features = features
        if (this.settings.sasl === undefined) return Effect.void
        this.raw.setVersions(
          Object.fromEntries([...versions].map(([key, { max, min }]) => [key, { minVersion: min, maxVersion: max }]))
        )
        this.raw.setSupportAuthenticationProtocol(true)
        return this.settled(
          "SaslAuthenticate",
          connectTimeoutMillis,
          () => this.authenticate(),
          failed("Authentication")
        )
      })
    )
  }

  private askForVersions(version: number): Effect.Effect<ApiVersionsResponse, ConnectionError> {
    return this.send(apiVersions, version, SOFTWARE, this.settings.connectTimeoutMillis)
  }

  /**
   * Authenticates, and notes when the session has to be renewed. K21: With a threshold above the session's lifetime,
   * each request would authenticate first. The threshold is set anew each time, as sessions differ: a token may end
   * before the broker's limit does.
   */
  private authenticate(): Promise<void> {
    return this.raw.authenticate().then(() => {
      const lifetime = this.raw.sessionLifetime.toNumber()
      const millis = Math.max(MIN_SESSION_MILLIS, lifetime)
      const before = Math.min(REAUTHENTICATE_BEFORE_MILLIS, millis / 4)
      this.authenticateAt = lifetime === 0 ? Number.POSITIVE_INFINITY : performance.now() + millis - before
    })
  }

  /** Sends one of our own requests, in the newest version that both sides speak. */
  call<Req, Res>(api: Message<Req, Res>, request: Req): Effect.Effect<Res, ConnectionError> {
    return Effect.suspend(() => {
      const offered = this.versions.get(api.key)
      const version = negotiate(api, offered, api.maxVersion?.(request))
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
      const millis = Math.min(MAX_TIMER_MILLIS, this.settings.requestTimeoutMillis + (api.waitMillis?.(request) ?? 0))
      const send = this.send(api, version, request, millis)
      return this.isAuthenticated ? send : Effect.zipRight(this.authenticateAgain(api.name), send)
    })
  }

  /** Sends a request in this version, and waits for its answer at most `millis`. */
  private send<Req, Res>(
    api: Message<Req, Res>,
    version: number,
    request: Req,
    millis: number
  ): Effect.Effect<Res, ConnectionError> {
    const body = encodeRequest(api, version, request)
    return this.wait<Res>(api.name, millis, (done) => {
      const correlationId = this.raw.nextCorrelationId()
      const answer: Answer = {
        at: 0,
        correlationId,
        maxBytes: api.maxAnswerBytes,
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
      return answer
    })
  }

  private get isAuthenticated(): boolean {
    return this.settings.sasl === undefined || performance.now() < this.authenticateAt
  }

  /**
   * Authenticates again before a request, as the SASL session ends soon. Concurrent callers share kafkajs's exchange.
   */
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

/**
 * Whether an error may carry this cause: its message must be fit for a log as it is. That of a certificate need not be,
 * and is only told escaped, in the error's detail.
 */
const isFit = (cause: unknown): boolean =>
  cause !== undefined && (!(cause instanceof Error) || foreignText(cause.message, MAX_CAUSE) === cause.message)

/** The description of a request of kafkajs's own, which are those of an authentication; `undefined` for any other. */
const saslApi = (entry: { readonly apiKey: number } | undefined): Message<undefined, void> | undefined =>
  entry?.apiKey === saslHandshake.key
    ? saslHandshake
    : entry?.apiKey === saslAuthenticate.key
      ? saslAuthenticate
      : undefined

/** Whether a re-authentication was refused: kafkajs tells that by the name of its error. */
const isAuthenticationFailure = (cause: unknown): boolean =>
  cause instanceof Error && cause.name === "KafkaJSSASLAuthenticationError"

/** Opens a `BrokerConnection`, which closes with the scope, at once. */
export const connect = (
  settings: ConnectionSettings,
  broker: Address
): Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Socket(settings, broker)),
    (socket, exit) => Effect.sync(() => socket.down("Closed", "connection", closingWords(exit)))
  ).pipe(
    Effect.tap((socket) => socket.handshake),
    Effect.map((socket): BrokerConnection => ({
      address: socket.address,
      features: socket.features,
      isOpen: () => socket.isOpen,
      request: (name, request) => socket.call(apiOf(name), request)
    }))
  )
