import { realKafka, sharedKafka } from "../kafka/realKafka.ts"
import { releases, usual } from "../kafka/versions.ts"
import { contract } from "./contract.ts"
import { realBackend } from "./realBackend.ts"

realKafka("the contract, on Apache Kafka", { java: true }, () =>
  contract(realBackend(sharedKafka), { lacks: releases[usual].lacks })
)
