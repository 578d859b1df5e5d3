/** How requests and answers are held against those of Kafka's own classes: see Fixtures.java. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { type Api, decodeResponse, encodeRequest, versionsFor } from "../../src/internal/protocol/api.ts"
import { ProtocolViolation } from "../../src/internal/protocol/wire.ts"

interface Fixture {
  readonly api: string
  readonly version: number
  readonly case: string
  readonly request: string
  readonly response: string
}

/** Bytes of Kafka's own message classes, see Fixtures.java. */
export const fixtures = JSON.parse(readFileSync(new URL("./fixtures.json", import.meta.url), "utf8")) as {
  readonly records: { readonly v: string; readonly w: string }
  readonly consumerProtocol: {
    /** By their version, which begins them. */
    readonly subscriptions: ReadonlyArray<string>
    readonly assignments: ReadonlyArray<string>
  }
  readonly versions: Readonly<Record<string, { readonly key: number; readonly min: number; readonly max: number }>>
  readonly cases: ReadonlyArray<Fixture>
}

/** The topic of most fixtures, and its id. */
export const topic = "größe"
export const id = "AbCdEfGhIjKlMnOpQrSt_A"
export const byName = { name: topic, id: undefined }
export const byId = { name: topic, id }

export type Expectation<Request, Response> = (version: number) => {
  readonly request: Request
  readonly response: Response
}

export interface Suite<Request, Response> {
  readonly api: Api<Request, Response>
  readonly cases: Readonly<Record<string, Expectation<Request, Response>>>
}

export const suite = <Request, Response>(
  api: Api<Request, Response>,
  cases: Readonly<Record<string, Expectation<Request, Response>>>
): Suite<Request, Response> => ({ api, cases })

export const bytesOf = (api: string, version: number, name: string): Fixture => {
  const found = fixtures.cases.find((f) => f.api === api && f.version === version && f.case === name)
  if (found === undefined) throw new Error(`no fixture of ${api} v${version} ${name}`)
  return found
}

/** Only a violation may be thrown; whatever else escapes fails the test. */
export const violates = (decode: () => unknown): boolean => {
  try {
    decode()
    return false
  } catch (error) {
    if (error instanceof ProtocolViolation) return true
    throw error
  }
}

/** Single bytes, the ends of the range of `int16` and `int32`, and the largest varints. */
const hostile = [
  "00",
  "01",
  "7f",
  "80",
  "ff",
  "7fff",
  "8000",
  "fffe",
  "7fffffff",
  "80000000",
  "fffffffe",
  "ffffffff0f"
].map((pattern) => Buffer.from(pattern, "hex"))

/** Holds a request, in all versions, against what Kafka's own classes write. */
export const testSuite = <Request, Response>({ api, cases }: Suite<Request, Response>): void => {
  describe(api.name, () => {
    let tested = 0

    it("has Kafka's key, and versions that Kafka 4.1 has", () => {
      const kafka = fixtures.versions[api.name]
      expect(api.key).toBe(kafka.key)
      expect(api.versions.min).toBeGreaterThanOrEqual(kafka.min)
      expect(api.versions.max).toBeLessThanOrEqual(kafka.max)
    })

    for (let version = api.versions.min; version <= api.versions.max; version++) {
      for (const name of Object.keys(cases)) {
        if (name === "future" && !api.flexible(version)) continue
        const { request, response } = cases[name](version)
        const { max, min } = versionsFor(api, request)
        if (version < min || version > max) continue
        const fixture = bytesOf(api.name, version, name)
        const payload = Buffer.from(fixture.response, "hex")
        const decode = (bytes: Buffer): Response => decodeResponse(api, version, bytes, request)
        tested++

        describe(`v${version} ${name}`, () => {
          it("writes the request that Kafka writes", () => {
            expect(encodeRequest(api, version, request).toString("hex")).toBe(fixture.request)
          })

          it("reads the response that Kafka writes", () => {
            expect(decode(payload)).toEqual(response)
          })

          it("refuses the response when it is cut off anywhere, or too long", () => {
            for (let end = 0; end < payload.length; end++) {
              expect(violates(() => decode(payload.subarray(0, end)))).toBe(true)
            }
            expect(violates(() => decode(Buffer.concat([payload, Buffer.alloc(1)])))).toBe(true)
          })

          it("survives hostile bytes anywhere", () => {
            for (let at = 0; at < payload.length; at++) {
              for (const pattern of hostile) {
                const bytes = Buffer.from(payload)
                pattern.copy(bytes, at)
                violates(() => decode(bytes))
              }
            }
          })
        })
      }
    }

    it("leaves no fixture untested", () => {
      expect(tested).toBe(fixtures.cases.filter((f) => f.api === api.name).length)
    })
  })
}
