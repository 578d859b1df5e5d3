/** A grouped table on a topic of its own, and a light load on it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  Codec,
  GroupedKafkaTable,
  GroupedKafkaTableWriter,
  type KafkaTable,
  KafkaClient,
  type KafkaTableWriter,
  type LiveTable
} from "../../../src/index.ts"
import type { Held } from "../history.ts"
import type { Others } from "./made.ts"

/** The writers of the load on the table are groups, so that its rows find others by them. */
const GROUPS = ["patient", "hasty", "prober", "é", ""]
const MEMBERS = 5
const DELETIONS = 0.3
const PAUSE_MILLIS = 40

/** The group that is watched. */
const WATCHED = "patient"

type Writer = GroupedKafkaTableWriter.GroupedKafkaTableWriter<string, string, string>

const value = Codec.utf8

export const openTable = (
  client: KafkaClient.KafkaClient,
  topic: string,
  settings: Pick<KafkaTable.TableSettings, "deniedRetryInterval"> = {}
): Effect.Effect<Others, unknown, Scope.Scope> =>
  Effect.provideService(
    GroupedKafkaTable.make<string, string, string>({ topic, value, ...settings }),
    KafkaClient.KafkaClient,
    client
  )

export const openWriter = (
  client: KafkaClient.KafkaClient,
  topic: string,
  settings: KafkaTableWriter.WriterSettings
): Effect.Effect<Writer, unknown, Scope.Scope> =>
  Effect.provideService(
    GroupedKafkaTableWriter.make<string, string, string>({ topic, value, ...settings }),
    KafkaClient.KafkaClient,
    client
  )

/** Writes members of groups for as long as it is not stopped, and says so before each write. */
export const write = (
  writer: Writer,
  random: () => number,
  { isStopped, onWrite }: { readonly isStopped: () => boolean; readonly onWrite: () => void }
): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let n = 0; !isStopped(); n++) {
      onWrite()
      const group = GROUPS[Math.floor(random() * GROUPS.length)]
      const member = `${Math.floor(random() * MEMBERS)}`
      // What became of a write is for the log to say.
      yield* Effect.exit(
        random() < DELETIONS ? writer.delete(group, member) : writer.set(group, member, `${group}-${n}`)
      )
      yield* Effect.sleep(random() * PAUSE_MILLIS)
    }
  })

/** What it holds, by the keys that its log has. */
export const contentOf = (table: Others): ReadonlyArray<Held> =>
  Array.from(table.table.unsafeSnapshot().entries(), ({ key: { group, member }, offset, partition, value }) => ({
    key: `${[...group].length}:${group}${member}`,
    value,
    partition,
    offset
  }))

/** Who watches one group. */
export class GroupWatcher {
  private last = ""

  constructor(private readonly table: Others) {}

  get watch(): Effect.Effect<void, LiveTable.TableFailure> {
    return Stream.runForEach(this.table.watchGroup(WATCHED), (members) =>
      Effect.sync(() => {
        this.last = membersOf(members)
      })
    )
  }

  /** Whether it was last told what the group is now. */
  get isSettled(): boolean {
    return this.last === membersOf(this.table.unsafeSnapshot().group(WATCHED))
  }
}

const membersOf = (members: ReadonlyMap<string, string>): string => JSON.stringify([...members].sort())
