/** The options of a table's writer. */
import * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { KafkaTableWriterOptions } from "../../KafkaTableWriter.ts"
import { checkOptions } from "./check.ts"
import * as codecs from "./codecs.ts"
import { prepareCompression, SENDING, type SendSettings, sendSettings } from "./sending.ts"
import { readSpec, type Spec, topic } from "./spec.ts"
import { TABLE } from "./table.ts"
import { type CheckedTopic, checkedTopic, ENSURING } from "./topic.ts"

/** The table of the options of a `KafkaTableWriter`. */
export const WRITER = {
  topic,
  key: codecs.key,
  value: codecs.value,
  ...ENSURING,
  ...SENDING
} satisfies Spec<KafkaTableWriterOptions<unknown, unknown>>

/** The options of a writer, checked, and with their defaults. */
export type WriterConfig<K, V> = SendSettings & {
  readonly topic: string
  readonly key: Codec<K>
  readonly value: Codec<V>
  /** What to create and to check; `undefined` takes the topic as it is. */
  readonly ensure: CheckedTopic | undefined
}

export const readWriterOptions = <K, V>(
  options: KafkaTableWriterOptions<K, V>
): Effect.Effect<WriterConfig<K, V>, InvalidOptionsError> =>
  Effect.flatMap(prepareCompression(options), (problem) =>
    checkOptions("KafkaTableWriter", (check) => {
      const checked = readSpec(check, WRITER, options, { ignored: [TABLE] })
      const { key, topic, value } = checked
      return {
        topic,
        key,
        value,
        ensure: checkedTopic(check, checked, options),
        ...sendSettings(check, checked, problem)
      }
    })
  )
