/** The answer to what a table showed at some time: see `KafkaTable.snapshotAt`. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidOptionsError, type OptionProblem } from "../../KafkaError.ts"
import type { SnapshotAt } from "../../KafkaTable.ts"
import type { Position } from "../../Position.ts"
import type { RecordSnapshot } from "../../TableSnapshot.ts"
import { isObject } from "../options/check.ts"
import { NO_POSITION, positionsIn } from "../position.ts"
import type { TableParts } from "./reading/parts.ts"

/** A question with what it asks by, of which it has one. */
interface Question {
  readonly version?: number
  readonly position?: Position | ReadonlyArray<Position>
  readonly timestamp?: number
}

export const snapshotAt = <K, V>(
  parts: TableParts<K, V>,
  when: SnapshotAt
): Effect.Effect<Option.Option<RecordSnapshot<K, V>>, InvalidOptionsError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { config, history, partitions, publication } = parts
    const question: Question = isObject(when) ? when : {}
    const { position, timestamp, version } = question
    const positions = positionsIn(position) ?? []
    const problem =
      history === undefined
        ? { option: "history", problem: "this table keeps no history: give it the option, such as { versions: 100 }" }
        : problemOf(config.topic, question)
    if (history === undefined || problem !== undefined) {
      return Effect.fail(
        new InvalidOptionsError({ module: "KafkaTable.snapshotAt", topic: config.topic, problems: [problem!] })
      )
    }
    const shown = publication.snapshot
    history.move(partitions.values())
    const found =
      version !== undefined
        ? history.byVersion(version, shown, now)
        : timestamp !== undefined
          ? history.byTimestamp(timestamp, shown, now)
          : history.byPosition(positions, shown, now)
    return Effect.succeed(found === undefined ? Option.none() : Option.some(found))
  })

const WAYS = ["version", "position", "timestamp"] as const

const problemOf = (topic: string, question: Question): OptionProblem | undefined => {
  const given = WAYS.filter((way) => question[way] !== undefined)
  if (given.length !== 1) return { option: "when", problem: `must have one of ${WAYS.join(", ")}` }
  const [option] = given
  if (option === "position") {
    const positions = positionsIn(question.position)
    if (positions === undefined) return { option, problem: NO_POSITION }
    if (positions.length === 0) return { option, problem: "must be at least one" }
    const foreign = positions.find((one) => one.topic !== topic)
    return foreign && { option, problem: `of topic "${foreign.topic}", this table is of "${topic}"` }
  }
  return Number.isFinite(question[option]) ? undefined : { option, problem: "must be a number" }
}
