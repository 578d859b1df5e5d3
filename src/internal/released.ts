/** What a connection is told to have failed with, whose client is no more: see `internal/client/given.ts`. */
export const RELEASED = "this KafkaClient was released: its layer must outlive whoever uses it"
