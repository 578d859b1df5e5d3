/** What members of a group tell each other in bytes, against Java's own classes, and what others write. */
import { describe, expect, it } from "vitest"
import {
  type Assignment,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Subscription
} from "../../src/internal/protocol/consumerProtocol.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { fixtures, topic, violates } from "./suites.ts"

const hex = (text: string) => Buffer.from(text, "hex")
const { assignments, subscriptions } = fixtures.consumerProtocol

const partitions = [
  { topic, partitions: [0, 5] },
  { topic: "other", partitions: [1] }
]

/** What a subscription says that was written in this version. */
const subscription = (version: number): Subscription => ({
  topics: [topic, "other"],
  userData: Buffer.from("sticky"),
  ownedPartitions: version >= 1 ? partitions : [],
  generation: version >= 2 ? 7 : -1,
  rackId: version >= 3 ? "rack" : undefined
})

const assignment = (version: number): Assignment => ({
  partitions,
  userData: version === 0 ? undefined : Buffer.from("sticky")
})

const VERSIONS = [0, 1, 2, 3]

describe("a subscription", () => {
  for (const version of VERSIONS) {
    it(`of version ${version} is written and read as Java does`, () => {
      expect(encodeSubscription(subscription(3), version).toString("hex")).toBe(subscriptions[version])
      expect(decodeSubscription(hex(subscriptions[version]))).toEqual(subscription(version))
    })
  }

  it("is written in the newest version where none is asked for", () => {
    expect(encodeSubscription(subscription(3)).toString("hex")).toBe(subscriptions[3])
  })

  it("of a version to come is read as far as it is known", () => {
    const future = Buffer.concat([hex(subscriptions[3]), Buffer.from("whatever is appended")])
    future.writeInt16BE(9, 0)
    expect(decodeSubscription(future)).toEqual(subscription(3))
  })

  it("of aiokafka, in version 0 with empty user data, is read", () => {
    // version 0, ["orders"], user data of no bytes
    expect(decodeSubscription(hex("0000" + "00000001" + "00066f7264657273" + "00000000"))).toEqual({
      topics: ["orders"],
      userData: Buffer.alloc(0),
      ownedPartitions: [],
      generation: -1,
      rackId: undefined
    })
  })

  it("is refused when it is cut off anywhere", () => {
    for (const bytes of subscriptions.map(hex)) {
      for (let end = 0; end < bytes.length; end++) {
        expect(violates(() => decodeSubscription(bytes.subarray(0, end)))).toBe(true)
      }
    }
  })

  it("of a negative version is refused", () => {
    expect(violates(() => decodeSubscription(hex("ffff" + subscriptions[3].slice(4))))).toBe(true)
  })
})

describe("an assignment", () => {
  for (const version of VERSIONS) {
    it(`of version ${version} is written and read as Java does`, () => {
      expect(encodeAssignment(assignment(version), version).toString("hex")).toBe(assignments[version])
      expect(decodeAssignment(hex(assignments[version]))).toEqual(assignment(version))
    })
  }

  it("of a version to come is read as far as it is known", () => {
    const future = Buffer.concat([hex(assignments[3]), Buffer.from("whatever is appended")])
    future.writeInt16BE(9, 0)
    expect(decodeAssignment(future)).toEqual(assignment(3))
  })

  it("of aiokafka, in version 0 with empty user data, is read", () => {
    // version 0, [["orders", [0, 2]]], user data of no bytes
    const bytes = hex("0000" + "00000001" + "00066f7264657273" + "00000002" + "00000000" + "00000002" + "00000000")
    expect(decodeAssignment(bytes)).toEqual({
      partitions: [{ topic: "orders", partitions: [0, 2] }],
      userData: Buffer.alloc(0)
    })
  })

  it("of no bytes, of a member that the leader left out, is none", () => {
    expect(decodeAssignment(Buffer.alloc(0))).toEqual({ partitions: [], userData: undefined })
  })

  it("is refused when it is cut off anywhere behind its first byte", () => {
    for (const bytes of assignments.map(hex)) {
      for (let end = 1; end < bytes.length; end++) {
        expect(violates(() => decodeAssignment(bytes.subarray(0, end)))).toBe(true)
      }
    }
  })
})

describe("anything", () => {
  const random = randomOf(20_260_101)
  const int = (below: number) => Math.floor(random() * below)
  const many = <A>(most: number, one: () => A): Array<A> => Array.from({ length: int(most + 1) }, one)
  const letters = "abc-._ß€𝄞"
  const text = () => many(20, () => [...letters][int([...letters].length)]).join("")
  const bytes = () => (int(3) === 0 ? undefined : Buffer.from(many(30, () => int(256))))
  const owned = () => many(5, () => ({ topic: text(), partitions: many(20, () => int(0x7fff_ffff)) }))

  it("comes back as it was written", () => {
    for (let i = 0; i < ofRounds(300, 20_000); i++) {
      const wanted: Subscription = {
        topics: many(5, text),
        userData: bytes(),
        ownedPartitions: owned(),
        generation: int(3) - 1,
        rackId: int(2) === 0 ? undefined : text()
      }
      expect(decodeSubscription(encodeSubscription(wanted))).toEqual(wanted)
      const given: Assignment = { partitions: owned(), userData: bytes() }
      for (const version of VERSIONS) expect(decodeAssignment(encodeAssignment(given, version))).toEqual(given)
    }
  })

  it("at random is read, or refused with a violation only", () => {
    for (let i = 0; i < ofRounds(2_000, 100_000); i++) {
      const noise = Buffer.from(many(60, () => (int(2) === 0 ? int(4) : int(256))))
      violates(() => decodeSubscription(noise))
      violates(() => decodeAssignment(noise))
    }
  })
})
