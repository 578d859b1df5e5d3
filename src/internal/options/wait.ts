/** The options of a wait on a table. */
import type * as Effect from "effect/Effect"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { WaitOptions } from "../../LiveTable.ts"
import { checkOptions } from "./check.ts"
import { type Checked, millis, readSpec, type Spec } from "./spec.ts"

/** The table of the options of waits. Without a timeout, that of the table counts. */
export const WAIT = {
  timeout: millis(undefined)
} satisfies Spec<WaitOptions>

/** `topic` is that of the table, where it has one. */
export const readWaitOptions = (
  module: string,
  topic: string | undefined,
  options: WaitOptions = {}
): Effect.Effect<Checked<typeof WAIT>, InvalidOptionsError> =>
  checkOptions(module, (check) => {
    if (topic !== undefined) check.topic(topic)
    return readSpec(check, WAIT, options)
  })
