import { API_VERSIONS_KEY, KIB, type Message, type VersionRange } from "./api.ts"
import type { Reader } from "./wire.ts"

export interface ApiVersionsRequest {
  /** What the broker's metrics name the client by: letters, digits, dots and dashes. */
  readonly software: { readonly name: string; readonly version: string }
}

export interface ApiVersionsResponse {
  readonly errorCode: number
  /** The versions of each request that the broker has, by the request's key. */
  readonly versions: ReadonlyMap<number, VersionRange>
  /**
   * The levels of the cluster's features (`metadata.version`, `group.version`) that are in force, by name; `undefined`
   * where the broker does not say: before Kafka 2.7, or as it does not know itself.
   */
  readonly features: ReadonlyMap<string, VersionRange> | undefined
}

/**
 * Version 3 is that of Kafka 2.4. An older broker answers it with an error, and is then asked in version 2, that of
 * Kafka 2.0.
 */
export const API_VERSIONS = { newest: 3, oldest: 2 }

const FINALIZED_FEATURES_EPOCH_TAG = 1
const FINALIZED_FEATURES_TAG = 2
const NO_EPOCH = -1n

// name: string, max_version_level: int16, min_version_level: int16
const readFeature = (reader: Reader): readonly [string, VersionRange] => {
  const name = reader.string()
  const max = reader.int16()
  const min = reader.int16()
  reader.tags()
  return [name, { min, max }]
}

/**
 * Asks which requests the broker has, in which versions, and which features of the cluster are in force. It is sent
 * before anything is known about the broker.
 */
export const apiVersions: Message<ApiVersionsRequest, ApiVersionsResponse> = {
  key: API_VERSIONS_KEY,
  name: "ApiVersions",
  versions: { min: API_VERSIONS.oldest, max: API_VERSIONS.newest },
  flexible: (version) => version >= 3,
  maxAnswerBytes: 64 * KIB,
  // client_software_name: string (v3+), client_software_version: string (v3+)
  encode: (version, { software }, writer) => {
    if (version < 3) return
    writer.string(software.name)
    writer.string(software.version)
    writer.tags()
  },
  // error_code: int16, api_keys: [api_key: int16, min_version: int16, max_version: int16], throttle_time_ms: int32;
  // tagged (v3+): 0 supported_features, 1 finalized_features_epoch: int64, 2 finalized_features: [feature],
  // 3 zk_migration_ready: bool
  decode: (_version, reader) => {
    const errorCode = reader.int16()
    if (errorCode !== 0) {
      // A broker that does not have this version answers in the oldest one, of which only the error code is read.
      reader.skip(reader.remaining)
      return { errorCode, versions: new Map(), features: undefined }
    }
    const versions = reader.array((): readonly [number, VersionRange] => {
      const key = reader.int16()
      const min = reader.int16()
      const max = reader.int16()
      reader.tags()
      return [key, { min, max }]
    })
    reader.int32()
    let epoch = NO_EPOCH
    let features: ReadonlyMap<string, VersionRange> | undefined
    reader.tags((tag) => {
      if (tag === FINALIZED_FEATURES_EPOCH_TAG) epoch = reader.bigint64()
      else if (tag === FINALIZED_FEATURES_TAG) features = new Map(reader.array(() => readFeature(reader)))
      else return false
      return true
    })
    return {
      errorCode,
      versions: new Map(versions),
      features: epoch === NO_EPOCH ? undefined : (features ?? new Map())
    }
  }
}
