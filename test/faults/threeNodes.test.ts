import { scenarios as groups } from "./groups/cluster.ts"
import { tried } from "./groups/trial.ts"
import * as Lab from "./lab.ts"
import { runAll } from "./running.ts"
import { scenarios } from "./threeNodes.ts"

runAll(
  "faults of a cluster",
  Lab.make({
    nodes: 3,
    config: {
      "min.insync.replicas": "1",
      // a follower that has not asked for so long is out of sync
      "replica.lag.time.max.ms": "3000"
    }
  }),
  [...scenarios, ...tried(groups, ["the coordinator moves to another node, again and again"])]
)
