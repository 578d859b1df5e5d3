/** What carries an error code in the embedded cluster, beside the codes themselves. */
import { brokerError } from "../protocol/errorCodes.ts"
import type { RecordError } from "../../KafkaProtocol.ts"
import type { BrokerError } from "../../KafkaError.ts"

export * from "../protocol/codes.ts"

/** The refusal of a broker. It is a value rather than thrown: whoever asked makes an answer or a failure of it. */
export class Refused {
  readonly code: number
  readonly detail: string | undefined
  constructor(code: number, detail?: string) {
    this.code = code
    this.detail = detail
  }

  /** `where`: what was asked about. */
  toError(
    request: string,
    where: { readonly topic?: string; readonly partition?: number; readonly group?: string } = {}
  ): BrokerError {
    return brokerError({ code: this.code, request, ...where, detail: this.detail })
  }
}

/**
 * A refusal because of some records of a batch: the only one of a write whose words a broker hands on to the client.
 */
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
