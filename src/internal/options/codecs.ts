/** The codecs among the options of tables, writers and producers. */
import type { Codec } from "../../Codec.ts"
import { utf8 } from "../codec/plain.ts"
import type { Option } from "./spec.ts"

/** The types of keys and values are those of the options: a table of options does not know them. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyCodec = Codec<any>

/** Without one, keys are text: the types of the options say so. */
export const key: Option<AnyCodec, AnyCodec> = {
  read: (check, name, value) => {
    if (value !== undefined) check.codec(name, value, "Codec.utf8")
    return value ?? utf8
  }
}

export const value: Option<AnyCodec, AnyCodec> = {
  read: (check, name, value) => {
    check.codec(name, value, "Codec.json(schema)")
    return value as AnyCodec
  }
}
