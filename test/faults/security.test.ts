import { runAll } from "./running.ts"
import { lab, scenarios } from "./security.ts"

runAll("faults of rights and credentials", lab, scenarios)
