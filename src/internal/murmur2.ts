/**
 * MurmurHash2 of 32 bits with the seed of Kafka's Java client, as a signed integer. Four bytes at a time,
 * little-endian; all arithmetic is modulo 2^32.
 *
 * @internal
 */
export const murmur2 = (bytes: Uint8Array): number => {
  const length = bytes.length
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ length
  let i = 0
  for (; i + 4 <= length; i += 4) {
    let k = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const rest = length - i
  if (rest === 3) {
    h ^= bytes[i + 2] << 16
  }
  if (rest >= 2) {
    h ^= bytes[i + 1] << 8
  }
  if (rest >= 1) {
    h = Math.imul(h ^ bytes[i], m)
  }
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
