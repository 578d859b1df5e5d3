/** How the end of a transaction gets into logs, and to the groups that have offsets in it. */
import { encodeControlBatch } from "../recordBatch/encode.ts"
import type { Cluster, Partition } from "./cluster.ts"
import type { Ending, Producer } from "./groups/transaction.ts"

/** Writes the marker that ends a transaction in one partition. */
export const writeMarker = (
  cluster: Cluster,
  partition: Partition,
  { committed, producerEpoch, producerId }: Producer & { readonly committed: boolean },
  now: number
): void => {
  const type = committed ? "commit" : "abort"
  const marker = encodeControlBatch({ type, producerId, producerEpoch, coordinatorEpoch: 0, timestamp: now })
  partition.log.appendMarker(marker, type)
  cluster.appended(partition)
}

/** Ends a transaction wherever it has been. A topic that is gone needs no marker. */
export const mark = (cluster: Cluster, ending: Ending, now: number): void => {
  for (const { partition: number, topic } of ending.partitions) {
    const partition = cluster.topics.get(topic.name)?.partitions[number]
    if (partition !== undefined) writeMarker(cluster, partition, ending, now)
  }
  for (const group of ending.groups) cluster.groups.endTransaction(group, ending)
}
