/** The options of a producer, and those of a topic that it writes to with codecs. */
import * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { KafkaProducerOptions, TopicCodecs } from "../../KafkaProducer.ts"
import { checkOptions } from "./check.ts"
import { key, value } from "./codecs.ts"
import { prepareCompression, SENDING, type SendSettings, sendSettings } from "./sending.ts"
import { type Checked, readSpec, type Spec } from "./spec.ts"

export const TOPIC_CODECS = { key, value } satisfies Spec<TopicCodecs<unknown, unknown>>

export const readProducerOptions = (options: KafkaProducerOptions): Effect.Effect<SendSettings, InvalidOptionsError> =>
  Effect.flatMap(prepareCompression(options), (problem) =>
    checkOptions("KafkaProducer", (check) => sendSettings(check, readSpec(check, SENDING, options), problem))
  )

/** Checks a topic and its codecs. */
export const readTopicCodecs = <K, V>(
  topic: string,
  codecs: TopicCodecs<K, V>
): Effect.Effect<{ readonly key: Codec<K>; readonly value: Codec<V> }, InvalidOptionsError> =>
  checkOptions("KafkaProducer", (check): Checked<typeof TOPIC_CODECS> => {
    const checked = readSpec(check, TOPIC_CODECS, codecs)
    check.topic(topic)
    return checked
  })
