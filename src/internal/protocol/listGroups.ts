import { type Api, MIB } from "./api.ts"
import { undivided } from "./parts.ts"

/**
 * Asks a broker for the groups that it coordinates.
 *
 * @since 0.4.0
 * @category requests
 */
export interface ListGroupsRequest {
  /** Only groups in one of these states (Kafka 2.6 and later). An empty list means all. */
  readonly states: ReadonlyArray<string>
  /** Only groups of one of these types: `classic`, `consumer`, `share` (Kafka 3.8 and later). An empty list means all. */
  readonly types: ReadonlyArray<string>
}

/**
 * The groups of one broker.
 *
 * @since 0.4.0
 * @category answers
 */
export interface ListGroupsResponse {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  readonly groups: ReadonlyArray<ListedGroup>
}

/**
 * A group in a list of groups.
 *
 * @since 0.4.0
 * @category answers
 */
export interface ListedGroup {
  readonly groupId: string
  /** What the members have in common: `consumer` for consumers; empty for a group that only has offsets. */
  readonly protocolType: string
  /** `undefined` where the broker does not say (before Kafka 2.6). */
  readonly state: string | undefined
  /** `classic`, `consumer`, `share` or `streams`; `undefined` where the broker does not say (before Kafka 3.8). */
  readonly type: string | undefined
}

/** The first version that knows states, and the first one that knows types. */
const STATES = 4
const TYPES = 5

/** Asks for a broker's groups. */
export const listGroups: Api<ListGroupsRequest, ListGroupsResponse> = {
  key: 16,
  name: "ListGroups",
  versions: { min: 1, max: 5 },
  minVersion: ({ states, types }) => (types.length > 0 ? TYPES : states.length > 0 ? STATES : 0),
  flexible: (version) => version >= 3,
  maxAnswerBytes: 64 * MIB,
  // states_filter: [string] (v4+), types_filter: [string] (v5+)
  encode: (version, { states, types }, writer) => {
    if (version >= STATES) writer.array(states, (state) => writer.string(state))
    if (version >= TYPES) writer.array(types, (type) => writer.string(type))
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16, groups: [group_id: string, protocol_type: string,
  //   group_state: string (v4+), group_type: string (v5+)]
  decode: (version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    const groups = reader.array((): ListedGroup => {
      const groupId = reader.string()
      const protocolType = reader.string()
      const state = version >= STATES ? reader.string() : undefined
      const type = version >= TYPES ? reader.string() : undefined
      reader.tags()
      return { groupId, protocolType, state, type }
    })
    reader.tags()
    return { errorCode, groups }
  },
  parts: undivided<ListGroupsRequest, ListGroupsResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode, groups: [] })
  })
}
