/** One catalog in two processes, and a load of inserts and deletes that meet each other. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Catalog } from "../../../src/index.ts"
import { type KafkaClient, type KafkaTable } from "../../../src/index.ts"
import { isAsked, shown } from "../../catalog/naive.ts"
import { catalogOn, type Part, part } from "../../catalog/support.ts"
import { errorOf } from "../../support/exits.ts"
import type { Findings } from "../oracle.ts"

export type PartCatalog = Catalog.Catalog<Part, "sku", "vendor" | "zone">

export type Filter = Readonly<Record<string, string>>

export type CatalogOutcome =
  | { readonly _tag: "Inserted"; readonly part: Part }
  | { readonly _tag: "Deleted" }
  /** It may have been done, or some of it. */
  | { readonly _tag: "Failed"; readonly error: string }

/** One insert, or one delete. */
export interface CatalogOperation {
  readonly by: string
  readonly asked:
    { readonly _tag: "Insert"; readonly part: Part } | { readonly _tag: "Delete"; readonly filter: Filter }
  /** By `performance.now()`, as `endedAt`. */
  readonly calledAt: number
  endedAt: number
  /** `undefined`: it died, or never ended. */
  outcome: CatalogOutcome | undefined
}

const SKUS = 12
const VENDORS = ["acme", "ACME", "bolt"]
const ZONES = ["eu", "us"]
const DELETIONS = 0.1
/** Inserts of the same identity that are called at once. */
const TOGETHER = 2
const PAUSE_MILLIS = 60

export const open = (
  client: KafkaClient.KafkaClient,
  topic: string,
  settings: Pick<KafkaTable.TableSettings, "deniedRetryInterval"> = {}
) =>
  catalogOn(client, topic, {
    ...settings,
    requestTimeout: "2 seconds",
    deliveryTimeout: "6 seconds",
    waitTimeout: "6 seconds"
  })

interface Writing {
  readonly catalogs: ReadonlyMap<string, PartCatalog>
  /** Gets what is done. */
  readonly operations: Array<CatalogOperation>
  readonly random: () => number
  readonly isStopped: () => boolean
  /** A number that no other record has. */
  readonly nextStock: () => number
}

/** Inserts and deletes for as long as it is not stopped. */
export const write = ({ catalogs, isStopped, nextStock, operations, random }: Writing): Effect.Effect<void> => {
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]
  const sku = () => `sku-${Math.floor(random() * SKUS)}`
  const run = <A>(
    by: string,
    asked: CatalogOperation["asked"],
    effect: Effect.Effect<A, { readonly _tag: string }>,
    outcomeOf: (value: A) => CatalogOutcome
  ): Effect.Effect<void> =>
    Effect.suspend(() => {
      const operation: CatalogOperation = {
        by,
        asked,
        calledAt: performance.now(),
        endedAt: Number.POSITIVE_INFINITY,
        outcome: undefined
      }
      operations.push(operation)
      return Effect.map(Effect.exit(effect), (exit: Exit.Exit<A, { readonly _tag: string }>) => {
        operation.endedAt = performance.now()
        const error = errorOf(exit)
        if (exit._tag === "Success") operation.outcome = outcomeOf(exit.value)
        else if (error !== undefined) operation.outcome = { _tag: "Failed", error: error._tag }
      })
    })
  const insert = (by: string, record: Part) =>
    run(by, { _tag: "Insert", part: { ...record } }, catalogs.get(by)!.insert(record), (inserted) => ({
      _tag: "Inserted",
      part: { ...inserted }
    }))
  const names = [...catalogs.keys()]
  return Effect.gen(function* () {
    while (!isStopped()) {
      const by = pick(names)
      if (random() < DELETIONS) {
        const filter: Filter = random() < 0.5 ? { sku: sku() } : { vendor: pick(VENDORS), rowTo: sku() }
        yield* run(by, { _tag: "Delete", filter }, catalogs.get(by)!.delete(filter), () => ({ _tag: "Deleted" }))
      } else {
        const one = part(sku(), pick(VENDORS), pick(ZONES))
        // By both processes, or by one of them twice.
        const inserts = Array.from({ length: TOGETHER }, () =>
          insert(pick(names), part(one.sku, one.vendor, one.zone, nextStock()))
        )
        yield* Effect.all(inserts, { concurrency: "unbounded" })
      }
      yield* Effect.sleep(random() * PAUSE_MILLIS)
    }
  })
}

/** What it shows, each record with its place in the log. */
export const contentOf = (catalog: PartCatalog): ReadonlyArray<string> =>
  Array.from(catalog.table.unsafeSnapshot().entries(), (entry) => shown({ ...entry, part: entry.value })).sort()

/** Whether what it finds is what it has. */
export const look = (name: string, catalog: PartCatalog, findings: Findings): Effect.Effect<void> =>
  Effect.map(catalog.snapshot, (snapshot) => {
    for (const filter of [
      { vendor: "Acme", zone: "eu" },
      { vendor: "bolt", rowFrom: "sku-1", rowTo: "sku-5" }
    ]) {
      const found = snapshot.query(filter).map(({ stock }) => stock)
      const right = [...snapshot.entries.values()].filter((one) => isAsked(one, filter)).map(({ stock }) => stock)
      const inOrder = (stocks: ReadonlyArray<number>) => JSON.stringify([...stocks].sort((a, b) => a - b))
      if (inOrder(found) !== inOrder(right)) {
        findings.add(12, `${name} at version ${snapshot.version} finds ${inOrder(found)}, right is ${inOrder(right)}`)
      }
    }
  })
