/** All faults of groups are tried on Effect 4; on Effect 3 one of each kind. */
import { scenarios } from "../groups/scenarios.ts"
import * as Lab from "../lab.ts"
import { runAll } from "../running.ts"
import { named } from "./named.ts"

runAll(
  "faults of consumer groups, on Effect 3",
  Lab.make(),
  named(scenarios, [
    "a member is killed",
    "members come and go, several in a second",
    "members come and go, several in a second, in the consumer protocol"
  ])
)
