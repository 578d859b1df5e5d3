/** Tables and writers of texts, each with a client of its own. */
import * as Effect from "effect/Effect"
import type { KafkaTable, KafkaTableWriter } from "../../src/index.ts"
import { tableOn, writerOn } from "../contract/suite.ts"
import { client, type ClientOptions, type Lab } from "./lab.ts"

export const compacted = { "cleanup.policy": "compact" }

export const openTable = (
  lab: Pick<Lab, "brokers">,
  clientId: string,
  topic: string,
  settings: KafkaTable.TableSettings = {},
  options: ClientOptions = {}
) => Effect.flatMap(client(lab, clientId, options), (own) => tableOn(own, topic, settings))

export const openWriter = (
  lab: Pick<Lab, "brokers">,
  clientId: string,
  topic: string,
  settings: KafkaTableWriter.WriterSettings = {},
  options: ClientOptions = {}
) => Effect.flatMap(client(lab, clientId, options), (own) => writerOn(own, topic, settings))
