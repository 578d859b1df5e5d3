/** What becomes of a token, against a broker that is made up; a real one is in test/real. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { captured } from "../../src/internal/effect/v4/running.ts"
import { oauthBearer } from "../../src/internal/kafkajs/oauthBearer.ts"

const TOKEN = "header.payload.signature"

const sized = (text: string): Buffer => {
  const size = Buffer.alloc(4)
  size.writeInt32BE(text.length)
  return Buffer.concat([size, Buffer.from(text)])
}

/** What was sent, and what came of it. */
const present = (
  token: Effect.Effect<Redacted.Redacted<string>, unknown>,
  answers: ReadonlyArray<string | Error>
): Effect.Effect<{ readonly sent: ReadonlyArray<string>; readonly outcome: unknown }> =>
  Effect.flatMap(captured, (running) => {
    const sent: Array<string> = []
    const provider = oauthBearer(
      token,
      running
    )(new AbortController().signal).authenticationProvider({
      saslAuthenticate: ({ request, response }) => {
        const bytes = request.encode()
        assert.strictEqual(bytes.readInt32BE(0), bytes.length - 4)
        const answer = answers[sent.length]
        sent.push(bytes.toString("latin1", 4))
        return answer instanceof Error
          ? Promise.reject(answer)
          : Promise.resolve(response.parse(response.decode(sized(answer))))
      }
    })
    return Effect.promise(() =>
      provider.authenticate().then(
        () => ({ sent, outcome: "accepted" }),
        (error: Error) => ({ sent, outcome: error.message })
      )
    )
  })

const good = Effect.succeed(Redacted.make(TOKEN))
const shown = `n,,\u0001auth=Bearer ${TOKEN}\u0001\u0001`

describe("OAUTHBEARER", () => {
  it.live("an empty answer lets in", () =>
    Effect.map(present(good, [""]), ({ outcome, sent }) => {
      assert.strictEqual(outcome, "accepted")
      assert.deepStrictEqual(sent, [shown])
    })
  )

  it.live("any other is a refusal, which is acknowledged and told", () =>
    Effect.gen(function* () {
      const words = '{"status":"invalid_token"}'
      for (const [end, told] of [
        ["", words],
        [new Error("who are you?"), "who are you?"]
      ] as const) {
        const { outcome, sent } = yield* present(good, [words, end])
        assert.deepStrictEqual(sent, [shown, "\u0001"])
        assert.strictEqual(outcome, `SASL OAUTHBEARER authentication failed: ${told}`)
      }
    })
  )

  it.live("a broker that quotes the token is not quoted", () =>
    Effect.gen(function* () {
      const quoted = `cannot process JWT: ${TOKEN} has expired`
      for (const answers of [[quoted, new Error(quoted)], [new Error(quoted)]]) {
        const { outcome } = yield* present(good, answers)
        assert.strictEqual(
          outcome,
          "SASL OAUTHBEARER authentication failed: cannot process JWT: <redacted> has expired"
        )
      }
    })
  )

  it.live("what is no token is not sent", () =>
    Effect.gen(function* () {
      for (const text of ["", `${TOKEN}\n`, `Bearer ${TOKEN}`, `${TOKEN}\u0001`]) {
        const { outcome, sent } = yield* present(Effect.succeed(Redacted.make(text)), [])
        assert.deepStrictEqual(sent, [])
        assert.include(String(outcome), "the token is empty, or has white space in it")
      }
    })
  )

  it.live("of what the Effect fails with, only a name is told", () =>
    Effect.gen(function* () {
      class IssuerError extends Error {
        override readonly name = "IssuerError"
      }
      for (const [token, name] of [
        [Effect.fail(new IssuerError("s3cret")), "IssuerError"],
        [Effect.fail({ _tag: "ResponseError", body: "s3cret" }), "ResponseError"],
        [Effect.fail({ body: "s3cret" }), "an object"],
        [Effect.fail("s3cret"), "a string"],
        [Effect.die(new TypeError("s3cret")), "TypeError"],
        [Effect.succeed("s3cret" as never), "Error"]
      ] as const) {
        const { outcome, sent } = yield* present(token, [])
        assert.deepStrictEqual(sent, [])
        assert.include(String(outcome), `the token Effect failed with ${name};`)
        assert.notInclude(String(outcome), "s3cret")
      }
    })
  )
})
