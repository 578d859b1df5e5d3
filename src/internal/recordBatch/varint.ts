/**
 * Kafka's signed varints, zigzag-encoded, seven bits a byte, least significant first. The record loop reads one and two
 * bytes by itself; these are for the rest. Each leaves the position after what it read in `varintEnd`.
 */
import { malformed } from "./corruption.ts"

/** Where the varint that was read last ends. A variable, so that no reader allocates a pair. */
export let varintEnd = 0

/** Reads an int32 of at most five bytes before `end`. */
export const readVarint = (bytes: Uint8Array, start: number, end: number): number => {
  let value = 0
  let position = start
  for (let shift = 0; shift <= 28; shift += 7) {
    if (position >= end) throw malformed("a varint goes past the end")
    const byte = bytes[position++]
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      varintEnd = position
      return (value >>> 1) ^ -(value & 1)
    }
  }
  throw malformed("a varint of more than five bytes")
}

/** Reads an int64 of at most ten bytes before `end`; beyond 2^53 it is the nearest number. */
export const readVarlong = (bytes: Uint8Array, start: number, end: number): number => {
  // 28 bits each, and the last eight.
  let low = 0
  let middle = 0
  let high = 0
  let position = start
  for (let i = 0; i < 10; i++) {
    if (position >= end) throw malformed("a varlong goes past the end")
    const byte = bytes[position++]
    const bits = byte & 0x7f
    if (i < 4) low |= bits << (7 * i)
    else if (i < 8) middle |= bits << (7 * i - 28)
    else high |= bits << (7 * i - 56)
    if (byte < 0x80) {
      varintEnd = position
      const magnitude = (low >>> 1) + middle * 0x8000000 + (high & 0xff) * 0x80000000000000
      return low & 1 ? -magnitude - 1 : magnitude
    }
  }
  throw malformed("a varlong of more than ten bytes")
}

/** Bytes that an int32 takes. */
export const sizeOfVarint = (value: number): number => {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  return zigzag < 0x80 ? 1 : zigzag < 0x4000 ? 2 : zigzag < 0x200000 ? 3 : zigzag < 0x10000000 ? 4 : 5
}

/** Writes an int32; returns the position after it. */
export const writeVarint = (bytes: Uint8Array, start: number, value: number): number => {
  let position = start
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  while (zigzag > 0x7f) {
    bytes[position++] = (zigzag & 0x7f) | 0x80
    zigzag >>>= 7
  }
  bytes[position++] = zigzag
  return position
}

const isInt32 = (value: number): boolean => (value | 0) === value

const zigzag64 = (value: number): bigint => {
  const wide = BigInt(value)
  return BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
}

/** Bytes that an int64, given as an integral number, takes. */
export const sizeOfVarlong = (value: number): number => {
  if (isInt32(value)) return sizeOfVarint(value)
  let size = 1
  for (let rest = zigzag64(value) >> 7n; rest !== 0n; rest >>= 7n) size++
  return size
}

/** Writes an int64, given as an integral number; returns the position after it. */
export const writeVarlong = (bytes: Uint8Array, start: number, value: number): number => {
  if (isInt32(value)) return writeVarint(bytes, start, value)
  let position = start
  let rest = zigzag64(value)
  while (rest > 0x7fn) {
    bytes[position++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  bytes[position++] = Number(rest)
  return position
}
