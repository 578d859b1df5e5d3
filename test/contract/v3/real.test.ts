/** All of the contract is tried on Effect 4 on a real Kafka, and on Effect 3 on the embedded one; here its main part. */
import { realKafka, sharedKafka } from "../../kafka/realKafka.ts"
import { releases, usual } from "../../kafka/versions.ts"
import { contract } from "../contract.ts"
import { realBackend } from "../realBackend.ts"

realKafka("the main part of the contract, on Apache Kafka and Effect 3", { java: true }, () =>
  contract(realBackend(sharedKafka), { lacks: releases[usual].lacks, tests: "main" })
)
