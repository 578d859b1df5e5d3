/** The options of what a writer announces. */
import type * as Effect from "effect/Effect"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { AnnounceOptions } from "../../KafkaTableWriter.ts"
import { checkOptions } from "./check.ts"
import { type Checked, millis, readSpec, type Spec } from "./spec.ts"

/** The table of the options of `announce`. */
export const ANNOUNCE = {
  every: millis(10_000)
} satisfies Spec<AnnounceOptions>

export const readAnnounceOptions = (
  topic: string,
  options: AnnounceOptions = {}
): Effect.Effect<Checked<typeof ANNOUNCE>, InvalidOptionsError> =>
  checkOptions("KafkaTableWriter", (check) => {
    check.topic(topic)
    return readSpec(check, ANNOUNCE, options)
  })
