/** All faults are tried on Effect 4; on Effect 3 one of each kind. */
import * as Lab from "../lab.ts"
import { scenarios } from "../oneNode.ts"
import { runAll } from "../running.ts"
import { named } from "./named.ts"

const names = [
  "the broker is killed, and started again",
  "connections are reset, again and again",
  "the broker is frozen, and goes on",
  "the process is stopped, and goes on",
  "closed and interrupted, whatever the network does"
]

runAll("faults of one broker, on Effect 3", Lab.make(), named(scenarios, names))
