/** The options that clients of every driver have. */
import type { ClientOptions } from "../../EmbeddedKafka.ts"
import type { KafkaClientOptions } from "../../KafkaClient.ts"
import { group, millis, type Option, type Spec } from "./spec.ts"

type BackoffOptions = NonNullable<KafkaClientOptions["backoff"]>

/** The table of the options of retries. */
export const BACKOFF = { initial: millis(100), max: millis(1_000) } satisfies Spec<BackoffOptions>

const clientId: Option<string, string> = { read: (check, _name, value) => check.clientId(value) }

/** The table of those options. */
export const CLIENT = {
  clientId,
  requestTimeout: millis(10_000),
  backoff: group<BackoffOptions, typeof BACKOFF>(BACKOFF)
} satisfies Spec<ClientOptions>
