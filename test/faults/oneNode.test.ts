import * as Lab from "./lab.ts"
import { ofBroker } from "./oneNode.ts"
import { runAll } from "./running.ts"

runAll("faults of one broker", Lab.make(), ofBroker)
