import * as Lab from "../lab.ts"
import { runAll } from "../running.ts"
import { scenarios } from "./scenarios.ts"
import { tried } from "./trial.ts"

runAll(
  "faults of consumer groups",
  Lab.make(),
  // In both protocols where the two kinds of members do something else.
  tried(scenarios, [
    "a member is killed",
    "members are stopped and started one by one, while they work",
    "the topic is deleted, and created again at once"
  ])
)
