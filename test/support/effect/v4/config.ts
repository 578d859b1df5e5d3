/** Configuration that is given by a test. */
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Effect from "effect/Effect"
import * as Effects from "effect/Effect"
