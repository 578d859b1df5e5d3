import { describe } from "vitest"
import { contract } from "./contract.ts"
import { embeddedBackend } from "./embeddedBackend.ts"

const lacks = { "the consumer protocol": "The embedded Kafka coordinates groups of the classic protocol only." }

describe("the contract, on the embedded Kafka", () => contract(embeddedBackend, { lacks }))
