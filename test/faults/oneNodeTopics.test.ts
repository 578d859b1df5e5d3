import * as Lab from "./lab.ts"
import { ofTopics } from "./oneNode.ts"
import { runAll } from "./running.ts"

runAll("faults of topics on one broker", Lab.make(), ofTopics)
