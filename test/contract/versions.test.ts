import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka } from "../kafka/realKafka.ts"
import type { Version } from "../kafka/versions.ts"
import { contract } from "./contract.ts"
import { realBackend } from "./realBackend.ts"

for (const version of (process.env["V"] ?? "").split(",") as Array<Version>) {
  realKafka(`the contract, on Apache Kafka ${version}`, { java: true }, () =>
    contract(realBackend(KafkaCluster.make({ version, heapMb: 1024 })))
  )
}
