/** The options of one consumer at random. */
import * as Effect from "effect/Effect"
import { Codec, type KafkaConsumer } from "../../src/index.ts"
import { BEAT, GROUP, REBALANCE, SESSION, TOPICS } from "./groupModel.ts"
import type { Chance } from "./groupWorkers.ts"

/** For how long closing waits for work, in milliseconds. */
export const STOP = 5_000

/** Decodes by an Effect, which takes its time. */
const slowCodec = Codec.makeEffect({
  decode: (bytes) => Effect.as(Effect.yieldNow, new TextDecoder().decode(bytes)),
  encode: (text: string) => Effect.succeed(new TextEncoder().encode(text))
})

export const optionsOf = (
  chance: Chance,
  {
    failsOnPoison,
    isManual,
    protocol
  }: { readonly failsOnPoison: boolean; readonly isManual: boolean; readonly protocol: "classic" | "consumer" }
): KafkaConsumer.ConsumerOptions<string, string> => ({
  group: GROUP,
  subscribe: TOPICS,
  value: chance.is(0.3) ? slowCodec : Codec.utf8,
  protocol,
  rebalanceTimeout: REBALANCE,
  revokeTimeout: 8_000,
  stopTimeout: STOP,
  startTimeout: 1_000,
  commitInterval: isManual ? "manual" : 200 + chance.below(3_000),
  maxUncommitted: chance.of([1, 4, 20, 1_000])!,
  onPoison: failsOnPoison ? "fail" : "skip",
  metadataMaxAge: 3_000,
  fetch: { maxWait: 2_000 },
  ...(protocol === "classic" ? { sessionTimeout: SESSION, heartbeatInterval: BEAT } : {})
})
