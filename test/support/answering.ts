/** Connections of which some requests are answered by somebody else. */
import type * as Effect from "effect/Effect"
import type { BrokerConnection } from "../../src/KafkaClient.ts"
import type { ConnectionError } from "../../src/KafkaError.ts"
import type { ApiName, Request, Response } from "../../src/KafkaProtocol.ts"

type Ask<N extends ApiName> = (request: Request<N>) => Effect.Effect<Response<N>, ConnectionError>

/** By the name of a request, what answers it instead; `ask` is how the connection itself answers. */
export type Answers = {
  readonly [N in ApiName]?: (request: Request<N>, ask: Ask<N>) => ReturnType<Ask<N>>
}

export const answering = (connection: BrokerConnection, answers: Answers): BrokerConnection => ({
  ...connection,
  request: <N extends ApiName>(name: N, request: Request<N>) => {
    const ask: Ask<N> = (asked) => connection.request(name, asked)
    const answer: ((request: Request<N>, ask: Ask<N>) => ReturnType<Ask<N>>) | undefined = answers[name]
    return answer === undefined ? ask(request) : answer(request, ask)
  }
})
