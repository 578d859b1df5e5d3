/** What a process had in its memory before, and nobody has cleared. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import buffer from "node:buffer"
import { inspect } from "node:util"

/** The bytes of a text as `inspect` shows them. */
export const shownBytes = (text: string): string =>
  Buffer.alloc(Buffer.byteLength(text), text).toString("hex").match(/../g)!.join(" ")

/** Until the scope ends, this text is in all memory that is not cleared for who asks for some. */
export const oldMemory = (text: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { allocUnsafe, allocUnsafeSlow } = Buffer
      Buffer.allocUnsafe = (size) => Buffer.alloc(size, text)
      Buffer.allocUnsafeSlow = (size) => Buffer.alloc(size, text)
      return { allocUnsafe, allocUnsafeSlow }
    }),
    (asBefore) => Effect.sync(() => Object.assign(Buffer, asBefore))
  ).pipe(Effect.asVoid)

/** All that can be looked into of a value, whole buffers included. */
export const everythingOf = (value: unknown): string => {
  const { INSPECT_MAX_BYTES } = buffer
  buffer.INSPECT_MAX_BYTES = 100_000
  try {
    return inspect(value, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null })
  } finally {
    buffer.INSPECT_MAX_BYTES = INSPECT_MAX_BYTES
  }
}
