/**
 * Which parts of a request a broker may refuse by themselves, and what such an answer looks like. This is for whoever
 * makes requests go wrong on purpose: a fault that is meant for one partition leaves the answers about all others as
 * they are.
 */
import type { TopicPartition } from "./api.ts"

/** What a request is about: a topic, or one partition of it. */
export interface Place {
  readonly topic: string
  readonly partition: number | undefined
}

/** How a request and its answer are taken apart, and put together again. */
export interface Parts<Request, Response> {
  /** All that a request is about. */
  readonly placesOf: (request: Request) => ReadonlyArray<Place>
  /** Splits a request into the part that is meant and the rest; `rest` is `undefined` if nothing is left. */
  readonly split: (
    request: Request,
    isMeant: (place: Place) => boolean
  ) => { readonly meant: Request; readonly rest: Request | undefined }
  /** The answer by which all of a request is refused. */
  readonly refuse: (request: Request, errorCode: number) => Response
  /** Puts the refusal of one part and the broker's answer to the rest together. */
  readonly merge: (refused: Response, rest: Response) => Response
}

/** The parts of a request that is about one thing: it is refused as a whole, or not at all. */
export const undivided = <Request, Response>(options: {
  /** The topic that it is about, if it is about one. */
  readonly topicOf: (request: Request) => string | undefined
  readonly refuse: (request: Request, errorCode: number) => Response
}): Parts<Request, Response> => ({
  placesOf: (request) => {
    const topic = options.topicOf(request)
    return topic === undefined ? [] : [{ topic, partition: undefined }]
  },
  split: (meant) => ({ meant, rest: undefined }),
  refuse: options.refuse,
  merge: (refused) => refused
})

/** The parts of a request about partitions, each of which has an answer of its own. */
export const ofPartitions = <
  P extends TopicPartition,
  Request extends { readonly partitions: ReadonlyArray<P> },
  Response extends { readonly partitions: ReadonlyArray<unknown> }
>(options: {
  /** The request about some of its partitions only. */
  readonly of: (request: Request, partitions: ReadonlyArray<P>) => Request
  readonly refuse: (request: Request, errorCode: number) => Response
}): Parts<Request, Response> => ({
  placesOf: (request) => request.partitions.map(placeOf),
  split: (request, isMeant) => {
    const others = request.partitions.filter((p) => !isMeant(placeOf(p)))
    const meant = request.partitions.filter((p) => isMeant(placeOf(p)))
    return {
      meant: options.of(request, meant),
      rest: others.length === 0 ? undefined : options.of(request, others)
    }
  },
  refuse: options.refuse,
  merge: (refused, rest) => ({ ...rest, partitions: [...refused.partitions, ...rest.partitions] })
})

const placeOf = ({ partition, topic }: TopicPartition): Place => ({ topic: topic.name, partition })
