/**
 * The checksums of record batches: CRC-32C (magic 2) and CRC-32 (magic 0 and 1). By a native module where it can be
 * loaded, else in plain JavaScript, eight bytes a step.
 */
import type * as Native from "@node-rs/crc32"
import { loadPackage } from "./load.ts"

/** Table `n` (256 entries at `n * 256`) advances a byte past `n` further ones. */
const slicingTables = (polynomial: number): Int32Array => {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256]
    tables[i] = (previous >>> 8) ^ tables[previous & 0xff]
  }
  return tables
}

const plain = (polynomial: number) => {
  let tables: Int32Array | undefined
  return (bytes: Uint8Array): number => {
    const t = (tables ??= slicingTables(polynomial))
    let crc = -1
    let i = 0
    for (const end = bytes.length - 7; i < end; i += 8) {
      const low = crc ^ (bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24))
      crc =
        t[0x700 | (low & 0xff)] ^
        t[0x600 | ((low >>> 8) & 0xff)] ^
        t[0x500 | ((low >>> 16) & 0xff)] ^
        t[0x400 | (low >>> 24)] ^
        t[0x300 | bytes[i + 4]] ^
        t[0x200 | bytes[i + 5]] ^
        t[0x100 | bytes[i + 6]] ^
        t[bytes[i + 7]]
    }
    for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]) & 0xff]
    return (crc ^ -1) >>> 0
  }
}

/** Polynomials in reversed bit order. */
export const plainCrc32c = plain(0x82f63b78)
export const plainCrc32 = plain(0xedb88320)

let native: typeof Native | null | undefined

const loadNative = (): typeof Native | null => {
  try {
    return loadPackage("@node-rs/crc32") as typeof Native
  } catch {
    return null
  }
}

/** CRC-32C (Castagnoli) as an unsigned number. */
export const crc32c = (bytes: Uint8Array): number => {
  if (native === undefined) native = loadNative()
  return native === null ? plainCrc32c(bytes) : native.crc32c(bytes)
}

/** CRC-32 (as in gzip) as an unsigned number. */
export const crc32 = (bytes: Uint8Array): number => {
  if (native === undefined) native = loadNative()
  return native === null ? plainCrc32(bytes) : native.crc32(bytes)
}
