/** As much of the answer to a Produce request as faults need. */

export const REQUEST_TIMED_OUT = 7
export const NOT_ENOUGH_REPLICAS = 19
export const NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20

/**
 * Where the first partition's error code is, in a frame of version 9: size: int32, correlation_id: int32, tags; topics: [name:
 * compact string, partitions: [index: int32, error_code: int16, …]]. Lengths here fit into a byte.
 */
export const firstErrorCode = (frame: Buffer): number => {
  const name = 10
  const partitions = name + frame[name]
  return partitions + 1 + 4
}
