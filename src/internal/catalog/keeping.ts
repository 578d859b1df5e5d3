/** Checks of a log that is to be kept for ever. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import { type ClientError, TopicError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import { PROPAGATION_MILLIS, untilShown } from "../client/shown.ts"
import { quotedForeignText } from "../foreignText.ts"
import { annotateLogs } from "../log.ts"
import { type CatalogSetup, KEPT } from "../options/catalog.ts"
import type { DescribeConfigsResponse } from "../protocol/describeConfigs.ts"
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

/** The configs of a topic, as `KEPT` names them. */
const configsIn = (answer: DescribeConfigsResponse) => {
  const valueOf = (name: string) => answer.configs.find((config) => config.name === name)?.value ?? undefined
  const policies = policiesOf(valueOf("cleanup.policy") ?? "")
  return {
    isKept:
      !policies.includes("compact") &&
      (!policies.includes("delete") || (valueOf("retention.ms") === "-1" && valueOf("retention.bytes") === "-1")),
    shown: Object.keys(KEPT)
      .map((name) => `${name}=${valueOf(name) ?? "?"}`)
      .join(", ")
  }
}

/** One attempt. */
const checkKept = (
  client: KafkaClient,
  { catchUpTimeoutMillis, keeping, topic }: Pick<CatalogSetup, "topic" | "keeping" | "catchUpTimeoutMillis">
): Effect.Effect<void, ClientError | TopicError> =>
  Effect.gen(function* () {
    const annotate = annotateLogs("Catalog", { topic })
    const failure = (
      code: number,
      request: "DescribeConfigs" | "IncrementalAlterConfigs",
      detail: string | undefined
    ) => brokerError({ code, request, topic, detail })
    const read = Effect.flatMap(client.describeConfigs(topic), (answer) =>
      answer.errorCode === 0
        ? Effect.succeed(configsIn(answer))
        : Effect.fail(failure(answer.errorCode, "DescribeConfigs", answer.errorMessage))
    )
    const found = yield* Effect.catch(read, (error) =>
      error._tag === "KafkaBrokerError" && error.reason === "Unauthorized" && keeping === "warn"
        ? Effect.as(
            annotate(
              Effect.logInfo("configs may not be read (DESCRIBE_CONFIGS): not checked that the log is kept for ever")
            ),
            undefined
          )
        : Effect.fail(error)
    )
    if (found === undefined || found.isKept) return
    const mismatch = () => new TopicError({ reason: "PolicyMismatch", topic, expected: EXPECTED, actual: found.shown })
    switch (keeping) {
      case "fail":
        return yield* Effect.fail(mismatch())
      case "reconcile": {
        const set = yield* client.alterConfigs({ topic, set: KEPT })
        if (set.errorCode !== 0) {
          return yield* Effect.fail(failure(set.errorCode, "IncrementalAlterConfigs", set.errorMessage))
        }
        yield* untilShown(
          client,
          Effect.map(read, (now) => (now.isKept ? now : undefined)),
          mismatch,
          Math.min(PROPAGATION_MILLIS, catchUpTimeoutMillis)
        )
        return yield* annotate(
          Effect.logInfo(`the log was ${quotedForeignText(found.shown)}, and is "${EXPECTED}" now`)
        )
      }
      default:
        return yield* annotate(
          Effect.logWarning(
            `the log is ${quotedForeignText(found.shown)}, not "${EXPECTED}": what is in the log is not kept for ever. Set it so, or use onPolicyMismatch "reconcile"`
          )
        )
    }
  })
