/** All that needs no more than one broker. */
import { scenarios as answers } from "./answers.ts"
import { scenario as closing } from "./closing.ts"
import { scenarios as logs } from "./logs.ts"
import { scenarios as network } from "./network.ts"
import { scenarios as processes } from "./processes.ts"
import type { Scenario } from "./rows.ts"
import { scenarios as topics } from "./topics.ts"

/** About the broker, the way to it, and the process. */
export const ofBroker: ReadonlyArray<Scenario> = [...network, ...processes, closing]

/** About topics, what is in them, and what is answered. */
export const ofTopics: ReadonlyArray<Scenario> = [...logs, ...answers, ...topics]

export const scenarios: ReadonlyArray<Scenario> = [...ofBroker, ...ofTopics]
