/** The records that a user has. */
import type { KafkaConsumer } from "../../src/index.ts"
import type { ConsumedRecord } from "../../src/internal/consumer/record.ts"
import type { Life } from "./usePlaces.ts"

export type Record = KafkaConsumer.Committable<string, string>

/** A record that the user has, done or not. */
export interface Held {
  readonly record: Record
  readonly place: string
  readonly life: Life
  isDone: boolean
  /** Whether the face that gave it was left since: nobody waits for it. */
  isLeft: boolean
  /** Ends the work of `runForEach` on it. */
  readonly end: ((isDone: boolean) => void) | undefined
}

/**
 * Whether a record counts no more, which is all that the model takes from inside: a stream gives the rest of a chunk that it
 * has taken, though its partition was gone on with elsewhere since.
 */
export const isStale = (record: Record): boolean => {
  const { counts, owned } = record as ConsumedRecord<string, string>
  return !counts || owned.phase === "gone"
}
