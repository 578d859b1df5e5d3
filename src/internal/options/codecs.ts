/** The codecs among the options of tables, writers and producers. */
import type { Codec } from "../../Codec.ts"
import { utf8 } from "../codec/plain.ts"
import type { Option } from "./spec.ts"

/** A codec of any values. Their types are those of the public options, which a table of options does not know. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyCodec = Codec<any>

/** The codec of keys. Without one keys are text, as the types of the options say. */
export const key: Option<AnyCodec, AnyCodec> = {
  read: (check, name, value) => {
    if (value !== undefined) check.codec(name, value, "Codec.utf8")
    return value ?? utf8
  }
}

/** The codec of values, which has to be given. */
export const value: Option<AnyCodec, AnyCodec> = {
  read: (check, name, value) => {
    check.codec(name, value, "Codec.json(schema)")
    return value as AnyCodec
  }
}
