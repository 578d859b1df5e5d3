/** Log lines about records that did not decode: one of each kind of fault, at a bounded rate, as a topic may have any number. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PoisonRecordError } from "../../KafkaError.ts"
import { kindOfPoison } from "../codec/schema/issue.ts"
import { LineRate, moreOf } from "../lineRate.ts"
import { annotateLogs } from "../log.ts"

/** Tells of records that were left out. */
export type PoisonLines = (errors: ReadonlyArray<PoisonRecordError>) => Effect.Effect<void>

export const makePoisonLines = (group: string): PoisonLines => {
  const lines = new LineRate()
  const annotate = annotateLogs("KafkaConsumer", { group })

  return (errors) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const kinds = new Map<string, { readonly first: PoisonRecordError; count: number }>()
      for (const error of errors) {
        const kind = `${error.topic} ${kindOfPoison(error.reason, error.cause)}`
        const known = kinds.get(kind)
        if (known === undefined) kinds.set(kind, { first: error, count: 1 })
        else known.count++
      }
      return Effect.forEach(
        kinds,
        ([kind, { count, first }]) => {
          const told = lines.take(kind, count, now)
          if (told === undefined) return Effect.void
          const { offset, partition, topic } = first
          return Effect.logWarning(`left out: ${first.message}${moreOf(told)}`).pipe(
            annotate,
            Effect.annotateLogs({ topic, partition, offset })
          )
        },
        { discard: true }
      )
    })
}
