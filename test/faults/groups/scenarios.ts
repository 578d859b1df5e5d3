/** All faults of groups that need no more than one broker. */
import type { Scenario } from "../rows.ts"
import { scenario as closing } from "./closing.ts"
import { scenarios as coordinators } from "./coordinators.ts"
import { scenarios as members } from "./members.ts"
import { scenarios as slowWork } from "./slowWork.ts"
import { scenarios as topics } from "./topics.ts"

export const scenarios: ReadonlyArray<Scenario> = [...members, ...coordinators, ...slowWork, ...topics, closing]
