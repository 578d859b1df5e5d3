// The parts of kafkajs 2.2.4 that the driver uses. They have no types of their own; kafkajs has no `exports` map and is
// frozen upstream, so these paths stay as long as the version stays exact.

declare module "kafkajs/src/network/connection.js" {
  import type { Socket } from "node:net"
  export interface Request {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    /** An object shaped like kafkajs's own Encoder: all bytes that follow the request's header. */
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  export interface Response<A> {
    readonly decode: (payload: Buffer) => Promise<unknown>
    readonly parse: (decoded: never) => Promise<A>
  }
  export interface RequestQueue {
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
    reauthenticationThreshold: number
    connectionStatus: string
    processData: (data: Buffer) => void
    disconnect: () => Promise<boolean>
    connect(): Promise<boolean>
    setVersions(versions: Record<number, { minVersion: number; maxVersion: number }>): void
    setSupportAuthenticationProtocol(supported: boolean): void
    authenticate(): Promise<void>
    isAuthenticated(): boolean
    nextCorrelationId(): number
    send<A>(message: { readonly request: Request; readonly response: Response<A> }): Promise<A>
  }
}

declare module "kafkajs/src/protocol/requests/index.js" {
  import type { Request, Response } from "kafkajs/src/network/connection.js"
  const protocol: {
    readonly requests: {
      readonly ApiVersions: {
        readonly protocol: (options: { readonly version: number }) => () => {
          readonly request: Request
          readonly response: Response<{
            readonly apiVersions: ReadonlyArray<{ apiKey: number; minVersion: number; maxVersion: number }>
          }>
        }
      }
    }
  }
  export default protocol
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
