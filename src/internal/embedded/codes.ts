/** What carries an error code in the embedded cluster, beside the codes themselves. */
import { brokerError } from "../protocol/errorCodes.ts"
import type { RecordError } from "../../KafkaProtocol.ts"
import type { BrokerError } from "../../KafkaError.ts"

export * from "../protocol/codes.ts"

/** What a broker will not do. A value, not a throw: whoever asked turns it into an answer or a failure. */
export class Refused {
  readonly code: number
  readonly detail: string | undefined
  constructor(code: number, detail?: string) {
    this.code = code
    this.detail = detail
  }

  toError(request: string, topic?: string, partition?: number): BrokerError {
    return brokerError({ code: this.code, request, topic, partition, detail: this.detail })
  }
}

/** Some records of a batch are wrong: the one refusal of a write whose words a broker hands on to the client. */
export class RecordsRefused extends Refused {
  override readonly detail: string
  readonly recordErrors: ReadonlyArray<RecordError>
  constructor(code: number, detail: string, recordErrors: ReadonlyArray<RecordError>) {
    super(code)
    this.detail = detail
    this.recordErrors = recordErrors
  }
}

export const isRefused = (value: unknown): value is Refused => value instanceof Refused
