import { quotedForeignText } from "../foreignText.ts"
import { type AdminResponse, type Api, KIB } from "./api.ts"
import { isHost } from "./host.ts"
import type { Broker } from "./metadata.ts"
import { undivided } from "./parts.ts"
import { ProtocolViolation, type Reader } from "./wire.ts"

/**
 * What a coordinator is for: a consumer group by its id, or the transactions of a transactional id.
 *
 * @since 0.4.0
 * @category models
 */
export type CoordinatorType = "group" | "transaction"

/**
 * Asks any broker which broker coordinates a group, or the transactions of a transactional id.
 *
 * @since 0.4.0
 * @category requests
 */
export interface FindCoordinatorRequest {
  readonly type: CoordinatorType
  /** The group's id, or the transactional id. */
  readonly key: string
}

/**
 * The answer to the question for a coordinator.
 *
 * @since 0.4.0
 * @category answers
 */
export interface FindCoordinatorResponse extends AdminResponse {
  /** The coordinator; `undefined` if there is an error. */
  readonly coordinator: Broker | undefined
}

const KEY_TYPES = { group: 0, transaction: 1 } as const

/** From this version on, several keys can be asked for at once. */
const BATCHED = 4

// node_id: int32, host: string, port: int32
const readBroker = (reader: Reader): Broker => ({
  nodeId: reader.int32(),
  host: reader.string(),
  port: reader.int32()
})

/** A broker that refuses names nobody as the coordinator: its host is empty then. */
const answerOf = (
  errorCode: number,
  errorMessage: string | undefined,
  coordinator: Broker
): FindCoordinatorResponse => {
  if (errorCode !== 0) return { errorCode, errorMessage, coordinator: undefined }
  const { host, nodeId, port } = coordinator
  if (!isHost(host) || port < 1 || port > 65_535) {
    throw new ProtocolViolation(`coordinator ${nodeId} at ${quotedForeignText(`${host}:${port}`)}`)
  }
  return { errorCode, errorMessage: undefined, coordinator }
}

/** Asks for the coordinator of one key. */
export const findCoordinator: Api<FindCoordinatorRequest, FindCoordinatorResponse> = {
  key: 10,
  name: "FindCoordinator",
  // What came after version 5 is about share groups.
  versions: { min: 1, max: 5 },
  flexible: (version) => version >= 3,
  maxAnswerBytes: 64 * KIB,
  // key: string (to v3), key_type: int8, coordinator_keys: [string] (v4+)
  encode: (version, { key, type }, writer) => {
    if (version < BATCHED) writer.string(key)
    writer.int8(KEY_TYPES[type])
    if (version >= BATCHED) writer.array([key], (one) => writer.string(one))
    writer.tags()
  },
  // throttle_time_ms: int32, to v3: error_code: int16, error_message: nullable string, broker;
  // v4+: coordinators: [key: string, broker, error_code: int16, error_message: nullable string]
  decode: (version, reader, request) => {
    reader.int32()
    if (version < BATCHED) {
      const errorCode = reader.int16()
      const errorMessage = reader.message()
      const broker = readBroker(reader)
      reader.tags()
      return answerOf(errorCode, errorMessage, broker)
    }
    const answers = reader.array(() => {
      const key = reader.string()
      const broker = readBroker(reader)
      const errorCode = reader.int16()
      const errorMessage = reader.message()
      reader.tags()
      return { key, errorCode, errorMessage, broker }
    })
    reader.tags()
    const [found, ...others] = answers.filter(({ key }) => key === request.key)
    if (found === undefined || others.length > 0) {
      throw new ProtocolViolation(`${found === undefined ? 0 : 1 + others.length} coordinators of "${request.key}"`)
    }
    return answerOf(found.errorCode, found.errorMessage, found.broker)
  },
  parts: undivided<FindCoordinatorRequest, FindCoordinatorResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode, errorMessage: undefined, coordinator: undefined })
  })
}
