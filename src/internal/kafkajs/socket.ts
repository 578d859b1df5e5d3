/**
 * One TCP socket, as kafkajs opens it, and the requests on it: the frames, the timeouts and the closing are ours. A number
 * such as K4 names the known trap of kafkajs 2.2.4 that the code beside it guards against: docs/kafkajs.md lists them.
 */
import * as Effect from "effect/Effect"
import Connection from "kafkajs/src/network/connection.js"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { ConnectionError, type ConnectionReason } from "../../KafkaError.ts"
import { Bag, type Item } from "../bag.ts"
import { type Address, addressOf } from "../client/address.ts"
import { foreignText } from "../foreignText.ts"
import { decodeResponse, encodeRequest, type Message } from "../protocol/api.ts"
import { saslAuthenticate, saslHandshake } from "../protocol/sasl.ts"
import { startDeadline } from "./deadline.ts"
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

/** An error quotes at most this many characters of what a broker or a library said. */
const DETAIL_LENGTH = 1_024

/** An error keeps no cause whose message is longer than this many characters. */
const MAX_CAUSE = 8 * DETAIL_LENGTH

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
export class Socket {
  readonly address: string
  /** kafkajs's own connection, which connects and authenticates. */
  readonly raw: Connection
  private socket: Net.Socket | undefined
  private failure: ConnectionError | undefined
  private connecting = true
  /** When the last bytes came, on the clock of `performance`. */
  private receivedAt = 0
  /** When kafkajs last sent a message of an authentication, on the clock of `performance`. */
  authenticationSentAt = 0
  private readonly frames: FrameReader
  private readonly gone = new AbortController()
  private readonly waiting = new Bag<Waiting>()
  /** The answers that are still to come. */
  private readonly answers = new Bag<Answer>()
  /** The answer that is arriving; `undefined` between two answers, and while one to kafkajs's own requests arrives. */
  private arriving: Answer | undefined
  private readonly frameOf: ReturnType<typeof requestFrames>
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
    const { requestQueue } = this.raw
    const push = requestQueue.push.bind(requestQueue)
    requestQueue.push = (request) => {
      this.authenticationSentAt = performance.now()
      push(request)
    }
    // K19: The queue arms this timer again and again for requests that it holds back, and it never holds one back here.
    requestQueue.scheduleCheckPendingRequests = () => {}
    // K20: kafkajs would wait for answers before it closes.
    this.raw.disconnect = () => {
      this.down("Closed", "connection", "closed by the broker")
      return Promise.resolve(true)
    }
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
    return Effect.callback((resume) => {
      if (this.failure !== undefined) return resume(Effect.fail(this.failure))
      const done = (result: Effect.Effect<A, ConnectionError>) => {
        this.waiting.remove(waiting)
        stopDeadline?.()
        resume(result)
      }
      let stopDeadline: (() => void) | undefined
      const waiting: Waiting = { at: 0, fail: (error) => done(Effect.fail(error)) }
      this.waiting.add(waiting)
      const answer = start(done)
      if (this.failure === undefined) stopDeadline = this.deadline(request, millis, answer)
    })
  }

  /** Takes the connection down when `millis` have passed without this answer, whatever else has come on it. */
  private deadline(request: string, millis: number, answer: Answer | undefined): () => void {
    const arriving = () =>
      answer !== undefined && this.arriving === answer
        ? { receivedAt: this.receivedAt, bytes: this.frames.arrived }
        : undefined
    return startDeadline(millis, arriving, () => this.down("Timeout", request, `no answer within ${millis} ms`))
  }

  /** Waits as `wait` does, for a promise of kafkajs. */
  settled<A>(
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

  /** Opens the socket. */
  get connect(): Effect.Effect<void, ConnectionError> {
    const failed = (cause: unknown) => this.down("Unreachable", "connect", messageOf(cause), cause)
    return Effect.suspend(() =>
      this.settled("connect", this.settings.connectTimeoutMillis, () => this.raw.connect(), failed)
    ).pipe(
      Effect.map(() => {
        this.connecting = false
      })
    )
  }

  /** Sends a request in this version, and waits for its answer at most `millis`. */
  send<Req, Res>(
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
}

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

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
