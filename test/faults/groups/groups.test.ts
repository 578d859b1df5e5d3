import * as Lab from "../lab.ts"
import { runAll } from "../running.ts"
import { scenarios } from "./scenarios.ts"

runAll("faults of consumer groups", Lab.make(), scenarios)
