/** What holds for each codec, on either major of Effect. */
import { describe, expect, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as fc from "fast-check"
import { bytesOf, decode, encode, hexOf, roundTrip, successOf } from "./outcomes.ts"

/** Tests a codec by values of what it decodes to. */
export const everyCodec = <A>(name: string, codec: Codec.Codec<A>, values: fc.Arbitrary<A>): void =>
  describe(name, () => {
    it("decodes alike in both ways, from anywhere in a buffer, and changes nothing there", () => {
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: "binary" }).map(bytesOf)), (bytes) => {
          const before = hexOf(bytes)
          decode(codec, bytes)
          expect(hexOf(bytes)).toBe(before)
        })
      )
    })

    it("round trips", () => {
      fc.assert(
        fc.property(values, (value) => {
          expect(roundTrip(codec, value)).toEqual(value)
        })
      )
    })

    it("decodes bytes that were cut off, or changed, alike in both ways", () => {
      fc.assert(
        fc.property(values, fc.nat(), fc.nat(255), (value, at, byte) => {
          const bytes = successOf(encode(codec, value))
          decode(codec, new Uint8Array(bytes.subarray(0, bytes.length === 0 ? 0 : at % bytes.length)))
          const changed = new Uint8Array(bytes)
          changed[bytes.length === 0 ? 0 : at % bytes.length] = byte
          decode(codec, changed)
        })
      )
    })

    it("is a codec, and pipes", () => {
      expect(Codec.isCodec(codec)).toBe(true)
      expect(codec.pipe((self) => self === codec)).toBe(true)
    })
  })
