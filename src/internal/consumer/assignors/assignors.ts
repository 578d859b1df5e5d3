import { cooperativeSticky } from "./cooperativeSticky.ts"
import type { Assignor } from "./members.ts"
import { range } from "./range.ts"
import { roundRobin } from "./roundRobin.ts"

/** All assignors of the classic protocol that there are. */
export const assignors: ReadonlyArray<Assignor> = [cooperativeSticky, range, roundRobin]
