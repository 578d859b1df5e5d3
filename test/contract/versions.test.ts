/** The oldest and the newest Kafka that the README names, and some between: all of the contract in long runs, else a part. */
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka } from "../kafka/realKafka.ts"
import { releases, usual, type Version } from "../kafka/versions.ts"
import { isLongRun } from "../support/rounds.ts"
import { contract } from "./contract.ts"
import { realBackend } from "./realBackend.ts"

for (const version of Object.keys(releases) as ReadonlyArray<Version>) {
  // What all other tests are run on.
  if (version === usual) continue
  realKafka(`the contract, on Apache Kafka ${version}`, { java: true, version }, () =>
    contract(realBackend(KafkaCluster.make({ version, heapMb: 1024 })), {
      lacks: releases[version].lacks,
      tests: isLongRun ? "all" : "main"
    })
  )
}
