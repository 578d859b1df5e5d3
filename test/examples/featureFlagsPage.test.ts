/** The example of feature flags with a live page, in a real browser. */
import * as Effect from "effect/Effect"
import { connect, createServer, type AddressInfo, type Socket } from "node:net"
import { assert, it } from "vitest"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { leaveOut, test } from "../support/live.ts"
import { findBrowser, startBrowser } from "./browser.ts"
import { start } from "./program.ts"

const browser = findBrowser()

const WITHOUT = "there is no chromium, and it could not be installed: apt-get install chromium"

/** A test in the browser. Where there is none, that is told, and in CI it is a failure. */
const inBrowser: typeof test = (name, body) => {
  if (browser !== undefined) return test(name, body)
  if (process.env["CI"] !== undefined) return it(name, () => assert.fail(WITHOUT))
  console.warn(`NOT TESTED: ${name}: ${WITHOUT}`)
  leaveOut(name, WITHOUT)
}

/** Passes connections on to a port, notes what clients send, and cuts them off when it is told to. */
const cuttingProxy = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly port: number
      readonly sent: () => string
      readonly received: () => string
      readonly cut: () => void
      readonly close: () => void
    }>((resume) => {
      const sockets = new Set<Socket>()
      const texts = { sent: "", received: "" }
      const server = createServer((client) => {
        const upstream = connect(port, "127.0.0.1")
        for (const [from, to, what] of [
          [client, upstream, "sent"],
          [upstream, client, "received"]
        ] as const) {
          sockets.add(from)
          from.on("data", (bytes: Buffer) => (texts[what] += bytes.toString("latin1")))
          from.on("error", () => to.destroy()).on("close", () => to.destroy())
          from.pipe(to)
        }
      })
      const cut = () => {
        for (const socket of sockets) socket.destroy()
        sockets.clear()
        texts.sent = ""
        texts.received = ""
      }
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            port: (server.address() as AddressInfo).port,
            sent: () => texts.sent,
            received: () => texts.received,
            cut,
            close: () => {
              cut()
              server.close()
            }
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  )

const request = (method: string, url: string, body?: object) =>
  Effect.promise(async () => {
    const response = await fetch(url, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } })
    })
    const text = await response.text()
    assert.isTrue(response.ok, `${response.status} ${text}`)
    return text === "" ? undefined : (JSON.parse(text) as unknown)
  })

/** The flags that a page shows, and whether they are on; what it says of itself. */
const shown = `[...document.querySelectorAll("li input")].map((box) => [box.name, box.checked])`
const state = `document.querySelector("#state")?.textContent`

const toggles = (flag: string) => `document.querySelector('input[name="${flag}"]').click()`

const tells = (args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const program = yield* start("feature-flags-page.ts", ["--port", "0", ...args])
    yield* program.says(/flags: http:\/\/127\.0\.0\.1:\d+\n/)
    const port = Number(/:(\d+)\n/.exec(program.output())![1])
    const flags = `http://127.0.0.1:${port}/flags`
    const proxy = yield* cuttingProxy(port)
    const open = yield* startBrowser(browser!)
    const one = yield* open(`http://127.0.0.1:${port}/`)
    const two = yield* open(`http://127.0.0.1:${proxy.port}/`)
    for (const page of [one, two]) yield* page.shows(state, "live")

    // what somebody sets is on both pages, what one page changes is on the other
    yield* request("PUT", `${flags}/checkout`, { enabled: true })
    for (const page of [one, two]) yield* page.shows(shown, [["checkout", true]])
    yield* one.evaluate(toggles("checkout"))
    yield* two.shows(shown, [["checkout", false]])
    assert.deepStrictEqual(yield* request("GET", flags), { checkout: { enabled: false } })
    yield* two.evaluate(
      `document.querySelector("form [name=flag]").value = "a <b> & c"; document.querySelector("form button").click()`
    )
    yield* one.shows(shown, [
      ["a <b> & c", false],
      ["checkout", false]
    ])

    // a page that is cut off comes back by itself, and is told what it missed, and no more
    yield* two.shows(shown, [
      ["a <b> & c", false],
      ["checkout", false]
    ])
    proxy.cut()
    yield* two.shows(state, "cut off")
    yield* request("DELETE", `${flags}/checkout`)
    yield* request("PUT", `${flags}/search`, { enabled: true })
    const expected = [
      ["a <b> & c", false],
      ["search", true]
    ]
    yield* two.shows(shown, expected)
    yield* two.shows(state, "live")
    assert.match(proxy.sent(), /last-event-id: [0-9a-f]{16}\.\d+/i)
    assert.include(proxy.received(), "event: Resumed")
    assert.notInclude(proxy.received(), "event: Reset")
    yield* one.shows(shown, expected)
  })

inBrowser("examples/feature-flags-page.ts: two pages show the flags as they are, and change them", () => tells())

realKafka("on a real Kafka", () => {
  inBrowser("examples/feature-flags-page.ts: the same", () =>
    Effect.flatMap(sharedKafka, ({ brokers }) =>
      tells(["--brokers", brokers.join(","), "--topic", topicName("page-flags")])
    )
  )
})
