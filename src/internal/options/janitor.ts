/** The options of a janitor. */
import type * as Effect from "effect/Effect"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { JanitorOptions } from "../../KafkaTable.ts"
import { checkOptions } from "./check.ts"
import { type Checked, millis, readSpec, type Spec } from "./spec.ts"

/** The table of the options of `janitor`. */
export const JANITOR = {
  grace: millis(60_000)
} satisfies Spec<JanitorOptions>

/** What a janitor has to do with. */
interface Given {
  readonly topic: string
  /** The topic that its writer writes. */
  readonly written: string
  readonly hasExpiry: boolean
}

export const readJanitorOptions = (
  { hasExpiry, topic, written }: Given,
  options: JanitorOptions = {}
): Effect.Effect<Checked<typeof JANITOR>, InvalidOptionsError> =>
  checkOptions("KafkaTable.janitor", (check) => {
    check.topic(topic)
    if (!hasExpiry) check.problem("table", "its rows do not expire: give it expireAfter or expireAt")
    if (topic !== written) check.problem("writer", `is of topic "${written}"`)
    return readSpec(check, JANITOR, options)
  })
