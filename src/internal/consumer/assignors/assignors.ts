/** All assignors, by their names. */
import type { Assignor as AssignorName } from "../../../KafkaConsumer.ts"
import { cooperativeSticky } from "./cooperativeSticky.ts"
import type { Assignor } from "./members.ts"
import { range } from "./range.ts"
import { roundRobin } from "./roundRobin.ts"

const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = {
  "cooperative-sticky": cooperativeSticky,
  range,
  roundrobin: roundRobin
}

export const assignorsNamed = (names: ReadonlyArray<AssignorName>): ReadonlyArray<Assignor> =>
  names.map((name) => ASSIGNORS[name])
