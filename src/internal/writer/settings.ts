import * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { KafkaTableWriterOptions } from "../../KafkaTableWriter.ts"
import { utf8 } from "../codec/codec.ts"
import { TABLE_OPTIONS, WRITER_OPTIONS } from "../optionNames.ts"
import { checkOptions } from "../options.ts"
import { checkSendOptions, prepareCompression, type SendSettings } from "../producer/settings.ts"
import { readTopicSettings, type CheckedTopic } from "../topic.ts"

/** The options of a writer with their defaults, checked; times in milliseconds. */
export interface WriterConfig<K, V> extends SendSettings {
  readonly topic: string
  readonly key: Codec<K>
  readonly value: Codec<V>
  /** What to create and to check; `undefined` takes the topic as it is. */
  readonly ensure: CheckedTopic | undefined
}

export const readOptions = <K, V>(
  options: KafkaTableWriterOptions<K, V>
): Effect.Effect<WriterConfig<K, V>, InvalidOptionsError> =>
  Effect.flatMap(prepareCompression(options), (problem) =>
    checkOptions("KafkaTableWriter", (check): WriterConfig<K, V> => {
      check.known(options, WRITER_OPTIONS, undefined, TABLE_OPTIONS)
      check.topic(options.topic)
      check.codec("value", options.value, "Codec.json(schema)")
      if (options.key !== undefined) check.codec("key", options.key, "Codec.utf8")
      const sendSettings = checkSendOptions(check, options, problem)
      return {
        topic: options.topic,
        // Without a key codec, K is string: the type of the options says so.
        key: options.key ?? (utf8 as unknown as Codec<K>),
        value: options.value,
        ensure: readTopicSettings(check, options),
        ...sendSettings()
      }
    })
  )
