/** Checks of a log that is to be kept for ever. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import { type ClientError, TopicError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { quotedForeignText } from "../foreignText.ts"
import { annotateLogs } from "../log.ts"
import { type CatalogSetup, KEPT } from "../options/catalog.ts"
import { brokerError } from "../protocol/errorCodes.ts"
import { policiesOf } from "../topicPolicy.ts"

/** What a log is to have, as one text. */
const EXPECTED = Object.entries(KEPT)
  .map(([name, value]) => `${name}=${value}`)
  .join(", ")

/**
 * Makes sure that nothing of a log goes, as `onPolicyMismatch` says. What goes wrong and may pass by itself is tried again, as
 * long as a table may take to catch up.
 */
export const ensureKept = (
  client: KafkaClient,
  setup: Pick<CatalogSetup, "topic" | "keeping" | "catchUpTimeoutMillis">
): Effect.Effect<void, ClientError | TopicError> =>
  Effect.flatMap(Clock.currentTimeMillis, (begin) => {
    const attempt = (n: number): Effect.Effect<void, ClientError | TopicError> =>
      Effect.catch(checkKept(client, setup), (error) =>
        Effect.gen(function* () {
          const millis = yield* retryDelay(client, n)
          const late = (yield* Clock.currentTimeMillis) + millis - begin > setup.catchUpTimeoutMillis
          if (!error.retriable || late) return yield* Effect.fail(error)
          yield* Effect.sleep(millis)
          return yield* attempt(n + 1)
        })
      )
    return attempt(0)
  })

/** One attempt. */
const checkKept = (
  client: KafkaClient,
  { keeping, topic }: Pick<CatalogSetup, "topic" | "keeping">
): Effect.Effect<void, ClientError | TopicError> =>
  Effect.gen(function* () {
    const answer = yield* client.describeConfigs(topic)
    const annotate = annotateLogs("Catalog", { topic })
    const failure = (
      code: number,
      request: "DescribeConfigs" | "IncrementalAlterConfigs",
      detail: string | undefined
    ) => brokerError({ code, request, topic, detail })
    if (answer.errorCode !== 0) {
      const error = failure(answer.errorCode, "DescribeConfigs", answer.errorMessage)
      if (error.reason !== "Unauthorized" || keeping !== "warn") return yield* Effect.fail(error)
      return yield* annotate(
        Effect.logInfo("configs may not be read (DESCRIBE_CONFIGS): not checked that the log is kept for ever")
      )
    }
    const valueOf = (name: string) => answer.configs.find((config) => config.name === name)?.value ?? undefined
    const policies = policiesOf(valueOf("cleanup.policy") ?? "")
    const isKept =
      !policies.includes("compact") &&
      (!policies.includes("delete") || (valueOf("retention.ms") === "-1" && valueOf("retention.bytes") === "-1"))
    if (isKept) return
    const actual = Object.keys(KEPT)
      .map((name) => `${name}=${valueOf(name) ?? "?"}`)
      .join(", ")
    switch (keeping) {
      case "fail":
        return yield* Effect.fail(new TopicError({ reason: "PolicyMismatch", topic, expected: EXPECTED, actual }))
      case "reconcile": {
        const set = yield* client.alterConfigs({ topic, set: KEPT })
        if (set.errorCode !== 0) {
          return yield* Effect.fail(failure(set.errorCode, "IncrementalAlterConfigs", set.errorMessage))
        }
        return yield* annotate(Effect.logInfo(`the log was ${quotedForeignText(actual)}, and is "${EXPECTED}" now`))
      }
      default:
        return yield* annotate(
          Effect.logWarning(
            `the log is ${quotedForeignText(actual)}, not "${EXPECTED}": what is in the log is not kept for ever. Set it so, or use onPolicyMismatch "reconcile"`
          )
        )
    }
  })
