/** The transactions of a cluster: what their coordinator knows, and which broker that is. */
import { Coordinators } from "./coordinators.ts"
import type { TopicCatalog } from "./topicCatalog.ts"
import type { Ending } from "./transaction.ts"
import { TransactionCoordinator, type TransactionSettings } from "./transactionCoordinator.ts"

export class Transactions {
  readonly coordinator: TransactionCoordinator
  readonly leads: Coordinators

  constructor(options: {
    readonly catalog: TopicCatalog
    readonly nodes: number
    readonly settings: TransactionSettings
    readonly newProducerId: () => bigint
    readonly mark: (ending: Ending, now: number) => void
  }) {
    const { catalog, mark, newProducerId, nodes, settings } = options
    this.coordinator = new TransactionCoordinator(catalog, settings, newProducerId, mark)
    this.leads = new Coordinators(nodes)
  }
}
