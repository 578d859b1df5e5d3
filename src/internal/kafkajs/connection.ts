/**
 * One connection to a broker: versions and features are negotiated, kafkajs authenticates, and each request goes out in the
 * newest version that both sides speak. A number such as K6 names a known trap of kafkajs: docs/kafkajs.md lists them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BrokerConnection } from "../../KafkaClient.ts"
import { ConnectionError } from "../../KafkaError.ts"
import type { Address } from "../client/address.ts"
import { closingWords } from "../client/given.ts"
import { type Message, negotiate, type VersionRange, versionsFor } from "../protocol/api.ts"
import { apiOf } from "../protocol/apis.ts"
import {
  API_VERSIONS,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
  apiVersions
} from "../protocol/apiVersions.ts"
import { UNSUPPORTED_VERSION } from "../protocol/codes.ts"
import { describeCode } from "../protocol/errorCodes.ts"
import { messageOf, Socket, type ConnectionSettings } from "./socket.ts"
import { VERSION } from "./version.ts"

/** A SASL session is renewed this long before it ends. */
const REAUTHENTICATE_BEFORE_MILLIS = 10_000

/** A shorter session counts as this long: otherwise each request would authenticate, which is expensive on purpose. */
const MIN_SESSION_MILLIS = 1_000

/** A timer of more milliseconds than an int32 holds would fire at once. */
const MAX_TIMER_MILLIS = 2_147_483_647

/** What brokers count this client as in their metrics. */
const SOFTWARE: ApiVersionsRequest = { software: { name: "effect-ktables", version: VERSION } }

/** What goes over one socket: requests, once its versions are known and it is authenticated. */
class Connection {
  readonly socket: Socket
  private versions: ReadonlyMap<number, VersionRange> = new Map()
  /** The cluster's features, as the broker told them when it was connected to. */
  features: ReadonlyMap<string, VersionRange> | undefined
  /** When to authenticate again, on the clock of `performance`. */
  private authenticateAt = Number.NEGATIVE_INFINITY
  private readonly settings: ConnectionSettings

  constructor(settings: ConnectionSettings, broker: Address) {
    this.settings = settings
    this.socket = new Socket(settings, broker)
    // K21: Our own clock decides when a SASL session has to be renewed.
    this.socket.raw.isAuthenticated = () => this.isAuthenticated
  }

  /** Connects, negotiates versions, and authenticates where that is asked for. */
  get handshake(): Effect.Effect<void, ConnectionError> {
    const { settings, socket } = this
    return socket.connect.pipe(
      // K6: Versions are negotiated on every connection, and have to be.
      Effect.andThen(this.askForVersions(API_VERSIONS.newest)),
      Effect.flatMap((answer) =>
        answer.errorCode === UNSUPPORTED_VERSION ? this.askForVersions(API_VERSIONS.oldest) : Effect.succeed(answer)
      ),
      Effect.flatMap(({ errorCode, features, versions }) => {
        if (errorCode !== 0) {
          const reason = errorCode === UNSUPPORTED_VERSION ? "UnsupportedVersion" : "Protocol"
          return Effect.fail(socket.down(reason, apiVersions.name, describeCode(errorCode).name))
        }
        this.versions = versions
        this.features = features
        if (settings.sasl === undefined) return Effect.void
        socket.raw.setVersions(
          Object.fromEntries([...versions].map(([key, { max, min }]) => [key, { minVersion: min, maxVersion: max }]))
        )
        socket.raw.setSupportAuthenticationProtocol(true)
        return socket.settled(
          "SaslAuthenticate",
          settings.connectTimeoutMillis,
          () => this.authenticate(),
          (cause) => socket.down("Authentication", "connect", messageOf(cause), cause)
        )
      })
    )
  }

  private askForVersions(version: number): Effect.Effect<ApiVersionsResponse, ConnectionError> {
    return this.socket.send(apiVersions, version, SOFTWARE, this.settings.connectTimeoutMillis)
  }

  /**
   * Authenticates, and notes when the session has to be renewed. K21: With a threshold above the session's lifetime,
   * each request would authenticate first. The threshold is set anew each time, as sessions differ: a token may end
   * before the broker's limit does. The session has begun at the broker some time before this is told of it, which may
   * be long on a busy machine, but not before it was asked for.
   */
  private authenticate(): Promise<void> {
    const { raw } = this.socket
    return raw.authenticate().then(() => {
      const lifetime = raw.sessionLifetime.toNumber()
      const millis = Math.max(MIN_SESSION_MILLIS, lifetime)
      const before = Math.min(REAUTHENTICATE_BEFORE_MILLIS, millis / 4)
      this.authenticateAt =
        lifetime === 0 ? Number.POSITIVE_INFINITY : this.socket.authenticationSentAt + millis - before
    })
  }

  /** Sends one of our own requests, in the newest version that both sides speak. */
  call<Req, Res>(api: Message<Req, Res>, request: Req): Effect.Effect<Res, ConnectionError> {
    return Effect.suspend(() => {
      const offered = this.versions.get(api.key)
      const ours = versionsFor(api, request)
      const version = negotiate(ours, offered)
      if (version === undefined) {
        const theirs = offered === undefined ? "no version of it" : `versions ${offered.min} to ${offered.max}`
        return Effect.fail(
          new ConnectionError({
            reason: "UnsupportedVersion",
            broker: this.socket.address,
            request: api.name,
            detail: `the broker has ${theirs}, this library ${ours.min} to ${ours.max}`
          })
        )
      }
      const millis = Math.min(MAX_TIMER_MILLIS, this.settings.requestTimeoutMillis + (api.waitMillis?.(request) ?? 0))
      const send = this.socket.send(api, version, request, millis)
      return this.isAuthenticated ? send : Effect.andThen(this.authenticateAgain(api.name), send)
    })
  }

  private get isAuthenticated(): boolean {
    return this.settings.sasl === undefined || performance.now() < this.authenticateAt
  }

  /**
   * Authenticates again before a request, as the SASL session ends soon. Concurrent callers share kafkajs's exchange.
   */
  private authenticateAgain(request: string): Effect.Effect<void, ConnectionError> {
    return this.socket.settled(
      request,
      this.settings.connectTimeoutMillis,
      () => this.authenticate(),
      (cause) =>
        this.socket.down(
          isAuthenticationFailure(cause) ? "Authentication" : "Protocol",
          request,
          messageOf(cause),
          cause
        )
    )
  }
}

/** Whether a re-authentication was refused: kafkajs tells that by the name of its error. */
const isAuthenticationFailure = (cause: unknown): boolean =>
  cause instanceof Error && cause.name === "KafkaJSSASLAuthenticationError"

/** Opens a `BrokerConnection`, which closes with the scope, at once. */
export const connect = (
  settings: ConnectionSettings,
  broker: Address
): Effect.Effect<BrokerConnection, ConnectionError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Connection(settings, broker)),
    ({ socket }, exit) => Effect.sync(() => socket.down("Closed", "connection", closingWords(exit)))
  ).pipe(
    Effect.tap((connection) => connection.handshake),
    Effect.map((connection): BrokerConnection => ({
      address: connection.socket.address,
      features: connection.features,
      isOpen: () => connection.socket.isOpen,
      request: (name, request) => connection.call(apiOf(name), request)
    }))
  )
