import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import * as codes from "../../src/internal/protocol/codes.ts"
import { brokerError, describeCode } from "../../src/internal/protocol/errorCodes.ts"
import { BrokerError } from "../../src/KafkaError.ts"

/** Code, name and whether it is retriable, of Kafka's own table; see Fixtures.java. */
const { errors } = JSON.parse(readFileSync(new URL("./fixtures.json", import.meta.url), "utf8")) as {
  readonly errors: ReadonlyArray<readonly [code: number, name: string, retriable: boolean]>
}

describe("describeCode", () => {
  it("has Kafka's names, and retries what Kafka's clients retry", () => {
    expect(errors.length).toBeGreaterThan(130)
    for (const [code, name, retriable] of errors) {
      expect(describeCode(code)).toMatchObject({ name, retriable })
    }
  })

  it("has the same names for the codes that code decides by", () => {
    for (const [name, code] of Object.entries(codes)) expect(describeCode(code).name).toBe(name)
  })

  it("says where a code comes from", () => {
    const byReason = (reason: string) =>
      errors.map(([code]) => code).filter((code) => describeCode(code).reason === reason)
    expect(byReason("Unauthorized")).toEqual([29, 30, 31, 53, 58, 65])
    expect(byReason("NotFound")).toEqual([3, 100, 103])
    expect(byReason("OutOfRange")).toEqual([1])
    expect(byReason("Unavailable")).toEqual([
      2, 5, 6, 7, 8, 9, 11, 13, 14, 15, 16, 19, 20, 41, 51, 55, 56, 60, 70, 71, 72, 74, 75, 77, 78, 80, 83, 84, 88, 89,
      106, 108, 122, 123, 129, 133
    ])
    // all others, as far as a code tells a fault at all
    const rejected = errors.map(([code]) => code).filter((code) => describeCode(code).reason === "Rejected")
    expect(rejected.length).toBe(errors.length - 6 - 3 - 1 - 36)
    expect(rejected).toEqual(expect.arrayContaining([-1, 10, 17, 18, 36, 37, 38, 40, 42, 44, 45, 46, 47, 59, 87, 90]))
  })

  it("never calls final what may pass by itself", () => {
    for (const [code, , retriable] of errors) {
      if (retriable) expect(["Unavailable", "NotFound"]).toContain(describeCode(code).reason)
    }
  })

  it("takes codes of newer brokers as final", () => {
    expect(describeCode(134)).toEqual({ name: "UNKNOWN_CODE_134", retriable: false, reason: "Rejected" })
    expect(describeCode(-2)).toEqual({ name: "UNKNOWN_CODE_-2", retriable: false, reason: "Rejected" })
  })
})

describe("brokerError", () => {
  it("carries what is known, and nothing else", () => {
    const error = brokerError({ code: 29, request: "Fetch", broker: "kafka:9092", topic: "users", partition: 3 })
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({
      reason: "Unauthorized",
      code: 29,
      codeName: "TOPIC_AUTHORIZATION_FAILED",
      retriable: false,
      request: "Fetch",
      broker: "kafka:9092",
      topic: "users",
      partition: 3
    })
    expect("detail" in error).toBe(false)
    expect(error.message).toContain(
      'TOPIC_AUTHORIZATION_FAILED on Fetch, topic "users" partition 3, broker kafka:9092. Grant'
    )
  })

  it("repeats the broker's words", () => {
    const error = brokerError({ code: 44, request: "CreateTopics", broker: undefined, detail: "no more topics" })
    expect(error.message).toContain("POLICY_VIOLATION")
    expect(error.message).toContain("(no more topics)")
    expect("broker" in error).toBe(false)
  })
})
