/** The detail of errors of a connection whose client was released: see `internal/client/given.ts`. */
export const RELEASED = "this KafkaClient was released: its layer must outlive whoever uses it"
