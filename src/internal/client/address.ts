import type { Broker } from "../../KafkaProtocol.ts"

/** Where a broker listens. */
export type Address = Pick<Broker, "host" | "port">

/** `host:port`, an IPv6 host in brackets. It is told by its colons, as the first call of `Net.isIPv6` costs 3 ms. */
export const addressOf = ({ host, port }: Address): string => `${host.includes(":") ? `[${host}]` : host}:${port}`
