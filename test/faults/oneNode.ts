/** All that needs no more than one broker. */
import { scenarios as answers } from "./answers.ts"
import { scenario as closing } from "./closing.ts"
import { scenarios as logs } from "./logs.ts"
import { scenarios as network } from "./network.ts"
import { scenarios as processes } from "./processes.ts"
import type { Scenario } from "./rows.ts"
import { scenarios as topics } from "./topics.ts"

export const scenarios: ReadonlyArray<Scenario> = [...network, ...logs, ...answers, ...topics, ...processes, closing]
