/** The options of a janitor. */
import * as Effect from "effect/Effect"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { JanitorOptions } from "../../KafkaTable.ts"
import { checkOptions, type OptionCheck } from "./check.ts"
import { millis, readSpec, type Spec } from "./spec.ts"

/** The table of the options of `janitor`. */
export const JANITOR = {
  grace: millis(60_000)
} satisfies Spec<JanitorOptions>

/** The kinds of tables that have janitors, each with writers of its own. */
const KINDS = ["KafkaTable", "GroupedKafkaTable"] as const

export type Kind = (typeof KINDS)[number]

/** What a janitor needs of its table. */
interface Expiring<Expiry> {
  readonly config: { readonly topic: string }
  readonly expiry: Expiry | undefined
}

/** What a janitor is given, whatever its types say. `table` is `undefined` if it is none of this library. */
interface Given<Expiry> {
  readonly table: Expiring<Expiry> | undefined
  readonly writer: unknown
}

/** Reads what a janitor is given. Gives the expiry of the table, which is certain then. */
export const readJanitorOptions = <Expiry>(
  kind: Kind,
  { table, writer }: Given<Expiry>,
  options: JanitorOptions = {}
): Effect.Effect<{ readonly expiry: Expiry; readonly graceMillis: number }, InvalidOptionsError> =>
  checkOptions(`${kind}.janitor`, (check) => {
    if (table === undefined) check.problem("table", `must be a ${kind} of this library`)
    else {
      check.topic(table.config.topic)
      if (table.expiry === undefined) check.problem("table", "its rows do not expire: give it expireAfter or expireAt")
    }
    checkWriter(check, kind, writer, table?.config.topic)
    const { graceMillis } = readSpec(check, JANITOR, options)
    return { expiry: table!.expiry!, graceMillis }
  })

/** Who calls without types may give the writer of another kind of table, which takes keys of another form. */
const checkWriter = (check: OptionCheck, kind: Kind, writer: unknown, topic: string | undefined): void => {
  const given = (writer ?? {}) as Readonly<Record<PropertyKey, unknown>>
  const other = KINDS.find((each) => each !== kind)
  if (Symbol.for(`effect-ktables/${other}Writer`) in Object(given)) {
    check.problem("writer", `is a ${other}Writer: ${other}.janitor takes it`)
  } else if (typeof given.deleteMany !== "function" || !Effect.isEffect(given.flush)) {
    check.problem("writer", `must be a ${kind}Writer, or have its topic, deleteMany and flush`)
  } else if (topic !== undefined && given.topic !== topic) {
    check.problem("writer", `is of topic "${String(given.topic)}"`)
  }
}
