import { describe } from "vitest"
import { contract } from "./contract.ts"
import { embeddedBackend } from "./embeddedBackend.ts"

describe("the contract, on the embedded Kafka", () => contract(embeddedBackend, { keepsTopicsDeleted: true }))
