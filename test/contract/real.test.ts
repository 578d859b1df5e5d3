import { realKafka, sharedKafka } from "../kafka/realKafka.ts"
import { contract } from "./contract.ts"
import { realBackend } from "./realBackend.ts"

realKafka("the contract, on Apache Kafka", { java: true }, () => contract(realBackend(sharedKafka)))
