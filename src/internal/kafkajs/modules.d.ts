// The parts of kafkajs 2.2.4 that the driver uses. They have no types of their own; kafkajs has no `exports` map and is
// frozen upstream, so these paths stay as long as the version stays exact.

declare module "kafkajs/src/network/connection.js" {
  import type { Socket } from "node:net"
  export interface RequestQueue {
    /** Requests without an answer yet, by their correlation ids. */
    readonly inflight: ReadonlyMap<number, { readonly entry: { readonly apiKey: number; readonly apiVersion: number } }>
    /** Sends a request of kafkajs's own. */
    push: (request: object) => void
    scheduleCheckPendingRequests: () => void
    fulfillRequest: (answer: { correlationId: number; payload: Buffer; size: number }) => void
    rejectAll: (error: Error) => void
    destroy: () => void
  }
  export default class Connection {
    constructor(options: {
      readonly host: string
      readonly port: number
      readonly logger: unknown
      readonly socketFactory: (options: {
        readonly host: string
        readonly port: number
        readonly onConnect: () => void
      }) => Socket
      readonly requestTimeout: number
      readonly connectionTimeout: number
      readonly enforceRequestTimeout: boolean
      readonly clientId: string
      readonly ssl: unknown
      readonly sasl: unknown
    })
    readonly requestQueue: RequestQueue
    readonly sessionLifetime: { toNumber: () => number }
    connectionStatus: string
    processData: (data: Buffer) => void
    disconnect: () => Promise<boolean>
    connect(): Promise<boolean>
    setVersions(versions: Record<number, { minVersion: number; maxVersion: number }>): void
    setSupportAuthenticationProtocol(supported: boolean): void
    authenticate(): Promise<void>
    isAuthenticated: () => boolean
    nextCorrelationId(): number
  }
}

declare module "kafkajs/src/broker/saslAuthenticator/index.js" {
  /** One message of ours and its answer. */
  export type Exchange = (exchange: {
    readonly request: { readonly encode: () => unknown }
    readonly response: { readonly decode: (answer: Buffer) => unknown; readonly parse: (decoded: unknown) => unknown }
  }) => Promise<unknown>
  export interface AuthenticatorContext {
    readonly host: string
    readonly port: number
    readonly logger: unknown
    readonly saslAuthenticate: Exchange
  }
  export interface Authenticator {
    readonly authenticate: () => Promise<void>
  }
  export type Mechanism = (sasl: {
    readonly username: string
    readonly password: string | { readonly toString: () => Buffer }
  }) => (context: AuthenticatorContext) => Authenticator
}

declare module "kafkajs/src/broker/saslAuthenticator/plain.js" {
  import type { Mechanism } from "kafkajs/src/broker/saslAuthenticator/index.js"
  const mechanism: Mechanism
  export default mechanism
}

declare module "kafkajs/src/broker/saslAuthenticator/scram256.js" {
  import type { Mechanism } from "kafkajs/src/broker/saslAuthenticator/index.js"
  const mechanism: Mechanism
  export default mechanism
}

declare module "kafkajs/src/broker/saslAuthenticator/scram512.js" {
  import type { Mechanism } from "kafkajs/src/broker/saslAuthenticator/index.js"
  const mechanism: Mechanism
  export default mechanism
}

declare module "kafkajs/src/errors.js" {
  const errors: { readonly KafkaJSSASLAuthenticationError: new (message: string) => Error }
  export default errors
}

declare module "kafkajs/src/loggers/index.js" {
  const loggers: {
    readonly LEVELS: { readonly WARN: number }
    readonly createLogger: (options: {
      readonly level: number
      readonly logCreator: () => (entry: {
        readonly namespace: string
        readonly label: string
        readonly log: { readonly message: string; readonly broker?: string }
      }) => void
    }) => unknown
  }
  export default loggers
}
