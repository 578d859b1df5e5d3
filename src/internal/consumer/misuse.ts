import { InvalidOptionsError } from "../../KafkaError.ts"

/** What a call is told by whose arguments cannot be right, whatever the cluster is like: a mistake of its caller. */
export const misuse = (call: string, option: string, problem: string): InvalidOptionsError =>
  new InvalidOptionsError({ module: `KafkaConsumer.${call}`, problems: [{ option, problem }] })
