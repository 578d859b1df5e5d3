import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../src/index.ts"

/** Which codecs the batches of a topic have, by its raw bytes: bits of the attributes. */
export const codecsIn = (client: KafkaClient.KafkaClient, topic: string) =>
  Effect.gen(function* () {
    const description = yield* client.describeTopic(topic)
    const found = new Set<number>()
    for (const p of description.partitions) {
      const connection = yield* client.connect(description.brokers.get(p.leader)!)
      let fetchOffset = 0
      while (true) {
        const answer = yield* connection.request("Fetch", {
          isolation: "read_uncommitted",
          maxWaitMillis: 0,
          minBytes: 0,
          maxBytes: 50_000_000,
          partitions: [
            {
              topic: description.topic,
              partition: p.partition,
              leaderEpoch: -1,
              fetchOffset,
              lastFetchedEpoch: -1,
              maxBytes: 50_000_000
            }
          ]
        })
        const { records } = answer.partitions[0]
        if (records.length === 0) break
        for (let at = 0; at < records.length; at += 12 + records.readInt32BE(at + 8)) {
          found.add(records.readInt16BE(at + 21) & 7)
          fetchOffset = Number(records.readBigInt64BE(at)) + records.readInt32BE(at + 23) + 1
        }
      }
    }
    return [...found].sort()
  })
