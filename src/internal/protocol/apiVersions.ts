import { type Api, KIB, type VersionRange } from "./api.ts"

export interface ApiVersionsResponse {
  readonly errorCode: number
  /** The versions of each request that the broker has, by the request's key. */
  readonly versions: ReadonlyMap<number, VersionRange>
}

/** Spoken before anything is known about the broker: version 2 is that of Kafka 2.0, and all later ones have it. */
export const API_VERSIONS_VERSION = 2

/** Which requests the broker has, in which versions. */
export const apiVersions: Api<undefined, ApiVersionsResponse> = {
  key: 18,
  name: "ApiVersions",
  versions: { min: API_VERSIONS_VERSION, max: API_VERSIONS_VERSION },
  flexible: () => false,
  maxAnswerBytes: 64 * KIB,
  encode: () => {},
  // error_code: int16, api_keys: [api_key: int16, min_version: int16, max_version: int16], throttle_time_ms: int32
  decode: (_version, reader) => {
    const errorCode = reader.int16()
    if (errorCode !== 0) {
      // a broker that does not have this version answers in the oldest one
      reader.skip(reader.remaining)
      return { errorCode, versions: new Map() }
    }
    const versions = reader.array((): readonly [number, VersionRange] => {
      const key = reader.int16()
      const min = reader.int16()
      return [key, { min, max: reader.int16() }]
    })
    reader.int32()
    return { errorCode, versions: new Map(versions) }
  }
}
