/**
 * HalfSipHash-1-3, the hash of keys: 32 bits of hash under 64 bits of secret, on words of 32 bits, which are what a
 * number of JavaScript computes with. Whoever may write to a topic chooses its keys, and a hash that is merely mixed
 * with a random number has collisions that do not depend on that number: thousands of keys of one hash make each
 * look-up as long as a walk through all of them.
 *
 * By Jean-Philippe Aumasson and Daniel J. Bernstein: https://github.com/veorq/SipHash (`halfsiphash.c`), with one round
 * for each word and three at the end, as in the Linux kernel's hash tables (`hsiphash`).
 */
import { randomBytes } from "node:crypto"

/** The secret of one index. */
export interface HashKey {
  readonly k0: number
  readonly k1: number
}

export const makeHashKey = (): HashKey => {
  const secret = randomBytes(8)
  return { k0: secret.readInt32LE(0), k1: secret.readInt32LE(4) }
}

/** The hash of `bytes` from `start` to `end`, an int32. The rounds are written out: this runs once for each record. */
export const hashOf = ({ k0, k1 }: HashKey, bytes: Buffer, start: number, end: number): number => {
  let v0 = k0
  let v1 = k1
  let v2 = 0x6c796765 ^ k0
  let v3 = 0x74656462 ^ k1
  let i = start
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  // The last word holds the bytes that are left, three at most, and the length.
  let last = (end - start) << 24
  if (i < end) last |= bytes[i]
  if (i + 1 < end) last |= bytes[i + 1] << 8
  if (i + 2 < end) last |= bytes[i + 2] << 16
  v3 ^= last
  v0 = (v0 + v1) | 0
  v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
  v0 = (v0 << 16) | (v0 >>> 16)
  v2 = (v2 + v3) | 0
  v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
  v0 = (v0 + v3) | 0
  v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
  v2 = (v2 + v1) | 0
  v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
  v2 = (v2 << 16) | (v2 >>> 16)
  v0 ^= last
  v2 ^= 0xff
  // The three rounds that finish.
  for (let round = 0; round < 3; round++) {
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
  }
  return v1 ^ v3
}
