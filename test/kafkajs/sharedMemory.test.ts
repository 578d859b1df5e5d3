/** Secrets stay out of the memory that all small Buffers of a process share, and that is never cleared. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { captured } from "../../src/internal/effect/v4/running.ts"
import { oauthBearer } from "../../src/internal/kafkajs/oauthBearer.ts"
import { passwordMechanism } from "../../src/internal/kafkajs/passwordMechanisms.ts"
import { redacted } from "../../src/internal/kafkajs/redaction.ts"

const SECRET = "s3cret-of-alice-and-nobody-else"

/** Not by `Buffer.from`, which would write it there. */
const bytesOf = (text: string) => Buffer.alloc(Buffer.byteLength(text), text)

/** The memory of which a small Buffer would be a part now. */
const shared = () => Buffer.allocUnsafe(1).buffer

/** Fails if the secret is in memory that was shared before, after, or whenever it is looked at meanwhile. */
const staysOut = (secret: string, run: (look: () => void) => Promise<void>) =>
  Effect.promise(async () => {
    const seen = new Set<ArrayBufferLike>()
    const look = () => void seen.add(shared())
    look()
    await run(look)
    look()
    for (const memory of seen) assert.isFalse(Buffer.from(memory).includes(bytesOf(secret)))
  })

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const SCRAM_FIRST = "s=c2FsdC1vZi0xNi1ieXRlcw==,i=4096"

describe("the memory that Buffers share", () => {
  it.live("has what is made by Buffer.from: what the other tests look for would be found", () =>
    Effect.sync(() => {
      const text = `found-${SECRET}`
      let memory = shared()
      let made = Buffer.from(text)
      if (made.buffer !== memory) {
        // What was left of it was too little: the next one is begun.
        memory = shared()
        made = Buffer.from(text)
      }
      assert.strictEqual(made.buffer, memory)
      assert.isTrue(Buffer.from(memory).includes(bytesOf(text)))
    })
  )

  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
    it.live(`has no password of ${mechanism}`, () => {
      const secret = `${SECRET}-${mechanism}`
      return staysOut(secret, async (look) => {
        let asked = 0
        const { authenticationProvider } = passwordMechanism(mechanism, "alice", secret)()
        look()
        const outcome = await authenticationProvider({
          host: "localhost",
          port: 9092,
          logger: silent,
          saslAuthenticate: async ({ request, response }) => {
            const message = (await request.encode()) as Buffer
            asked++
            look()
            if (mechanism === "PLAIN") return undefined
            const nonce = /r=([^,]*)/.exec(message.toString())![1]
            return response.parse(bytesOf(asked === 1 ? `r=${nonce}x,${SCRAM_FIRST}` : "v=AAAA"))
          }
        })
          .authenticate()
          .then(
            () => "let in",
            (error: Error) => error.message
          )
        assert.deepStrictEqual(
          [asked, outcome],
          mechanism === "PLAIN"
            ? [1, "let in"]
            : [
                2,
                `SASL SCRAM ${mechanism.slice(6).replace("-", "")} authentication failed: Invalid server signature in server final message`
              ]
        )
      })
    })
  }

  it.live("has no token, and the message that it was sent in is cleared", () =>
    Effect.flatMap(captured, (running) => {
      const secret = `${SECRET}.token`
      return staysOut(secret, async (look) => {
        const messages: Array<Buffer> = []
        const { authenticationProvider } = oauthBearer(
          Effect.succeed(Redacted.make(secret)),
          running
        )(new AbortController().signal)
        await authenticationProvider({
          saslAuthenticate: ({ request, response }) => {
            const message = request.encode()
            assert.isTrue(message.includes(bytesOf(secret)))
            messages.push(message)
            look()
            return Promise.resolve(response.parse(response.decode(Buffer.alloc(4))))
          }
        }).authenticate()
        assert.lengthOf(messages, 1)
        assert.isTrue(messages[0].every((byte) => byte === 0))
      })
    })
  )

  it.live("has no secret that a broker quotes, whatever it is encoded in", () => {
    const secret = `${SECRET}-quoted`
    const bytes = bytesOf(secret)
    const withheld = redacted({ secret })
    return staysOut(secret, (look) => {
      for (const form of ["hex", "base64", "base64url"] as const) {
        assert.notInclude(withheld(`refused: ${bytes.toString(form)}`), bytes.toString(form))
        look()
      }
      const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")
      assert.notInclude(withheld(`refused: ${[...bytes].join(", ")}, ${octal}`), octal)
      return Promise.resolve()
    })
  })
})
