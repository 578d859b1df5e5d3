import { isDeepStrictEqual } from "node:util"
import { assert } from "vitest"

/**
 * `assert.deepStrictEqual` for what is compared thousands of times: Node's own comparison, which takes a small part of the
 * time, finds what is the same; what is not, or what the two could differ in, is judged and told as always.
 */
export const assertSame = <A>(actual: A, expected: A, message?: string): void => {
  if (!isDeepStrictEqual(actual, expected)) assert.deepStrictEqual(actual, expected, message)
}
