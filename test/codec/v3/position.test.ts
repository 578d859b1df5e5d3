/** Positions at random, which Effect 3 makes of their schema. */
import * as Arbitrary from "effect/Arbitrary"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { assert, it } from "vitest"
import { Position } from "../../../src/index.ts"

it("a Position at random is one, and comes back from its text", () => {
  const encode = Schema.encodeSync(Position.FromString)
  const decode = Schema.decodeSync(Position.FromString)
  fc.assert(
    fc.property(Arbitrary.make(Position.FromString), (position) => {
      assert.deepStrictEqual(decode(encode(position)), position)
    })
  )
})
