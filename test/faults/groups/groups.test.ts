import * as Lab from "../lab.ts"
import { runAll } from "../running.ts"
import { isWhole } from "../settings.ts"
import { inConsumerProtocol } from "./trial.ts"
import { scenarios } from "./scenarios.ts"

/** What `npm test` tries in the consumer protocol, too: where the two kinds of members do something else. */
const IN_BOTH: ReadonlySet<string> = new Set(
  [
    "a member is killed",
    "members are stopped and started one by one, while they work",
    "the topic is deleted, and created again at once"
  ].map(inConsumerProtocol)
)

runAll(
  "faults of consumer groups",
  Lab.make(),
  scenarios.filter(({ name }) => isWhole || !name.endsWith(inConsumerProtocol("")) || IN_BOTH.has(name))
)
