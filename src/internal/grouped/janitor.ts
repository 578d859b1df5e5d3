/** Writes tombstones for members that have expired: see `GroupedKafkaTable.janitor`. */
import type * as Effect from "effect/Effect"
import type { GroupedKafkaTable } from "../../GroupedKafkaTable.ts"
import type { GroupedKafkaTableWriter } from "../../GroupedKafkaTableWriter.ts"
import type { WriteError } from "../../KafkaError.ts"
import type { JanitorOptions } from "../../KafkaTable.ts"
import type { TableFailure } from "../../LiveTable.ts"
import { janitorOf } from "../table/janitor.ts"

export const janitor = <G, M, V>(
  grouped: GroupedKafkaTable<G, M, V>,
  writer: Pick<GroupedKafkaTableWriter<G, M, V>, "topic" | "deleteMany" | "flush">,
  options?: JanitorOptions
): Effect.Effect<void, TableFailure | WriteError> => {
  // What is given instead of a grouped table is told as the option that it is.
  const { table } = (grouped as Partial<typeof grouped> | null | undefined) ?? {}
  const deleteMany = (keys: ReadonlyArray<{ readonly group: G; readonly member: M }>) =>
    writer.deleteMany(keys.map(({ group, member }) => [group, member] as const))
  return janitorOf("GroupedKafkaTable", table, writer, deleteMany, options)
}
