import { Effect, Schema } from "effect"
import { Catalog, Codec, KafkaClient } from "../../src/index.ts"

export class Part extends Schema.Class<Part>("Part")({
  sku: Schema.String,
  vendor: Schema.String,
  zone: Schema.String,
  stock: Schema.Int
}) {}

export const part = (sku: string, vendor: string, zone: string, stock = 0) => new Part({ sku, vendor, zone, stock })

export const KEYS = { rowKey: "sku", indexKeys: ["vendor", "zone"] } as const

export class Parts extends Catalog.Tag("app/Parts")<Parts, Part>()(KEYS) {}

/** A catalog of parts, as another process has it: with a client of its own. */
export const catalogOn = (client: KafkaClient.KafkaClient, topic: string, settings: Catalog.CatalogSettings = {}) =>
  Catalog.make(KEYS, { topic, value: Codec.json(Part), ...settings }).pipe(
    Effect.provideService(KafkaClient.KafkaClient, client)
  )

export const skus = (parts: Iterable<Part>): ReadonlyArray<string> => Array.from(parts, ({ sku }) => sku)

export const stocks = (parts: Iterable<Part>): ReadonlyArray<number> => Array.from(parts, ({ stock }) => stock)
