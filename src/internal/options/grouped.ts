/** The options of grouped tables and their writers: those of plain ones, with codecs of both parts of a key. */
import * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import type { GroupedKafkaTableOptions, GroupedKey } from "../../GroupedKafkaTable.ts"
import type { GroupedKafkaTableWriterOptions } from "../../GroupedKafkaTableWriter.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import { integerOf } from "../codec/plain.ts"
import { checkOptions } from "./check.ts"
import * as codecs from "./codecs.ts"
import { prepareCompression, sendSettings } from "./sending.ts"
import { readSpec, type Spec } from "./spec.ts"
import { TABLE, type TableConfig } from "./table.ts"
import { checkedTopic } from "./topic.ts"
import { WRITER, type WriterConfig } from "./writer.ts"

/** A part of a key, which is text: its length is that of its code points. */
const part: typeof codecs.key = {
  read: (check, name, value, all) => {
    const codec = codecs.key.read(check, name, value, all)
    if (integerOf(codec) !== undefined) check.problem(name, "must be a Codec of text, such as Codec.utf8")
    return codec
  }
}

const PARTS = { group: part, member: part }

const { key: _tableKey, ...table } = TABLE
const { key: _writerKey, ...writer } = WRITER

/** The table of the options of a `GroupedKafkaTable`. */
export const GROUPED_TABLE = { ...table, ...PARTS } satisfies Spec<GroupedKafkaTableOptions<unknown, unknown, unknown>>

/** The table of the options of a `GroupedKafkaTableWriter`. */
export const GROUPED_WRITER = { ...writer, ...PARTS } satisfies Spec<
  GroupedKafkaTableWriterOptions<unknown, unknown, unknown>
>

/** The codecs of a key's parts, in the place of the one of keys. */
type Grouped<Config, G, M> = Omit<Config, "key" | "expireAt"> & {
  readonly group: Codec<G>
  readonly member: Codec<M>
}

export const readGroupedTableOptions = <G, M, V>(
  options: GroupedKafkaTableOptions<G, M, V>
): Effect.Effect<
  Grouped<TableConfig<never, V>, G, M> & Pick<TableConfig<GroupedKey<G, M>, V>, "expireAt">,
  InvalidOptionsError
> =>
  checkOptions("GroupedKafkaTable", (check) => {
    const checked = readSpec(check, GROUPED_TABLE, options, { ignored: [GROUPED_WRITER] })
    return { ...checked, expireAt: options.expireAt, ensure: checkedTopic(check, checked, options) }
  })

export const readGroupedWriterOptions = <G, M, V>(
  options: GroupedKafkaTableWriterOptions<G, M, V>
): Effect.Effect<Grouped<WriterConfig<never, V>, G, M>, InvalidOptionsError> =>
  Effect.flatMap(prepareCompression(options), (problem) =>
    checkOptions("GroupedKafkaTableWriter", (check) => {
      const checked = readSpec(check, GROUPED_WRITER, options, { ignored: [GROUPED_TABLE] })
      const { group, member, topic, value } = checked
      return {
        topic,
        group,
        member,
        value,
        ensure: checkedTopic(check, checked, options),
        ...sendSettings(check, checked, problem)
      }
    })
  )
