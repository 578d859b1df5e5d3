/** What a table showed before: asked for by the writes that were acknowledged, and by the time. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Position, type KafkaTable } from "../../../src/index.ts"
import type { Operation } from "../history.ts"
import type { Findings } from "../oracle.ts"
import type { Table } from "../Witness.ts"

const ASK_MILLIS = 60
const WAIT = "1 second"
/** Of the last writes, so many may have had no acknowledgement. */
const LOOK_BACK = 40

/** A moment, and the version that was shown then. */
interface Moment {
  readonly millis: number
  readonly version: number
}

export class PastWitness {
  /** How many writes were found in the version that showed them first. */
  writes = 0
  private moment: Moment | undefined

  constructor(
    private readonly table: Table,
    private readonly operations: () => ReadonlyArray<Operation>,
    private readonly findings: Findings,
    /** Whether the clock only goes forward. */
    private readonly isClockSteady: boolean
  ) {}

  /** Asks again and again. */
  get watch(): Effect.Effect<never> {
    const once = Effect.andThen(this.askByWrite, this.isClockSteady ? this.askByTime : Effect.void)
    return Effect.forever(Effect.andThen(once, Effect.sleep(ASK_MILLIS)))
  }

  private at(when: KafkaTable.SnapshotAt) {
    return Effect.map(Effect.orDie(this.table.snapshotAt(when)), Option.getOrUndefined)
  }

  private readonly askByWrite = Effect.suspend(() => {
    const { findings, table } = this
    const written = this.operations()
      .slice(-LOOK_BACK)
      .findLast(({ outcome }) => outcome?._tag === "Acknowledged")
    if (written?.outcome?._tag !== "Acknowledged") return Effect.void
    const { id, key, outcome, value } = written
    const { offset, partition } = outcome
    const position = Position.make({ topic: table.topic, partition, offset })
    return Effect.gen({ self: this }, function* () {
      const shown = yield* Effect.exit(table.awaitPosition(position, { timeout: WAIT }))
      if (shown._tag === "Failure") return
      const first = yield* this.at({ position })
      if (first === undefined) return
      this.writes++
      const entry = Option.getOrUndefined(first.entry(key))
      const isOlder = entry?.partition === partition && entry.offset < offset
      if (isOlder || (entry?.offset === offset && entry.partition === partition && entry.value !== value)) {
        findings.add(
          15,
          `version ${first.version} is the first to show ${id}, and has ${entry.partition}:${entry.offset}`
        )
      }
      const before = yield* this.at({ version: first.version - 1 })
      const earlier = before === undefined ? undefined : Option.getOrUndefined(before.entry(key))
      if (earlier !== undefined && earlier.partition === partition && earlier.offset >= offset) {
        findings.add(15, `version ${first.version} is the first to show ${id}, which the one before has, too`)
      }
    })
  })

  private readonly askByTime = Effect.gen({ self: this }, function* () {
    const { findings, moment, table } = this
    const millis = yield* Clock.currentTimeMillis
    const { version } = table.unsafeSnapshot()
    if (moment !== undefined) {
      const then = yield* this.at({ timestamp: moment.millis })
      // Others may have been shown within the same millisecond.
      if (then !== undefined && (then.version < moment.version || then.version > table.unsafeSnapshot().version)) {
        findings.add(15, `version ${then.version} is told for a time when ${moment.version} was shown`)
      }
    }
    this.moment = { millis, version }
  })

  /** What there is no evidence of. */
  get gaps(): ReadonlyArray<string> {
    return this.writes > 0 ? [] : ["what was shown before"]
  }
}
