import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { InvalidOptionsError, type OptionProblem } from "../../KafkaError.ts"
import { isCodec } from "../codec/codec.ts"
import { kindOfThrown } from "../codec/schema/faults.ts"
import { foreignText } from "../foreignText.ts"
import { nearest } from "./nearest.ts"

/** The largest number that an int32 of the protocol, and a timer of the host, can hold: in milliseconds, 24 days. */
const MAX = 2_147_483_647

/** What other clients call an option, where a search for the nearest name would find another one. */
const ALIASES = new Map([
  ["ssl", "tls"],
  ["bootstrapServers", "brokers"],
  ["bootstrap.servers", "brokers"]
])

/** A string in Kafka's protocol has at most this many bytes. */
const MAX_STRING = 32_767

/** Control characters, which nobody can see or type, and halves of surrogate pairs. */
export const UNFIT = /[\p{Cc}\p{Cs}]/u

/** Whether a value can be a string in a request. */
const isWireText = (value: unknown): boolean =>
  typeof value === "string" && !UNFIT.test(value) && Buffer.byteLength(value) <= MAX_STRING

/**
 * Whether a value has options as its properties: a list, a Map, a Date or a Promise would be read as if it had none.
 */
export const isObject = (value: unknown): value is object =>
  /^\[object (?:Object|Module)\]$/.test(Object.prototype.toString.call(value))

/** Whether a value can be the name of a topic. */
export const isTopicName = (value: unknown): value is string =>
  typeof value === "string" && /^[a-zA-Z0-9._-]{1,249}$/.test(value) && value !== "." && value !== ".."

/** What the name of a topic must be. */
export const TOPIC_NAME = "must be a legal topic name: 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'"

/** The topic among options that nobody has checked yet, as an attribute of a span. */
export const topicOf = (options: { readonly topic: string } | null | undefined): Record<string, string> => {
  try {
    const topic: unknown = options?.topic
    return typeof topic === "string" ? { "messaging.destination.name": foreignText(topic) } : {}
  } catch {
    return {}
  }
}

/**
 * Collects what is wrong with the options of one layer, to tell all of it at once. It tells names, and never values.
 */
export interface OptionCheck {
  /** Notes what is wrong with an option. */
  readonly problem: (option: string, problem: string) => void
  /**
   * Checks that options are an object with known names only. TypeScript refuses most mistakes, but configuration files
   * and JavaScript do not. `within` is the option that holds these, which may be left out; `ignored` are names of
   * options of another layer, which may be given the same object.
   */
  readonly known: <A extends object>(
    options: A | undefined,
    names: ReadonlyArray<string>,
    within?: string,
    ignored?: ReadonlyArray<string>
  ) => Partial<A>
  /** An option that is an object whose names are the user's own; an empty object if it is something else. */
  readonly object: <A extends object>(option: string, value: A | undefined, problem: string) => Partial<A>
  /** A duration above zero, in milliseconds. */
  readonly millis: (option: string, value: Duration.Input) => number
  /** A duration above zero that no timer has to hold, in milliseconds. */
  readonly longMillis: (option: string, value: Duration.Input) => number
  /** `true` or `false`. Text that says so is refused. */
  readonly boolean: (option: string, value: boolean | undefined, fallback: boolean) => boolean
  /** A whole number of at least `min`; `fallback` if it is something else. */
  readonly integer: (option: string, value: number | undefined, fallback: number, min: number) => number
  /** One of the allowed words. */
  readonly oneOf: <A extends string>(option: string, value: A | undefined, fallback: A, allowed: ReadonlyArray<A>) => A
  /** Checks the name of a topic, by which the error then tells where the problems are. */
  readonly topic: (value: string) => void
  readonly clientId: (value: string | undefined) => string
  /** Checks texts of one option that go into a request. */
  readonly wireText: (option: string, ...texts: ReadonlyArray<string>) => void
  /** Checks that a value is a codec that can be used. `example` is shown as one that is right. */
  readonly codec: (option: string, value: unknown, example: string) => void
}

/**
 * Runs `read` with a collector. Gives its result, or an error that names every problem that was noted, with the topic that is
 * among the options, or the one that they are of.
 */
export const checkOptions = <A>(
  module: string,
  read: (check: OptionCheck) => A,
  of?: string
): Effect.Effect<A, InvalidOptionsError> =>
  Effect.suspend(() => {
    let topic = of
    const problems: Array<OptionProblem> = []
    const problem = (option: string, text: string) => {
      problems.push({ option, problem: text })
    }
    const expectObject = <A extends object>(option: string, value: A | undefined, text: string): Partial<A> => {
      if (isObject(value)) return value
      problem(option, text)
      return {}
    }
    const wireText: OptionCheck["wireText"] = (option, ...texts) => {
      if (texts.every(isWireText)) return
      problem(option, `must be text of at most ${MAX_STRING} bytes, without control characters`)
    }
    // A negative number decodes to zero, so only a duration above zero is certainly what was meant.
    const millisOf = (value: Duration.Input): number =>
      Duration.fromInput(value).pipe((d) => (d._tag === "None" ? 0 : Duration.toMillis(d.value)))
    const check: OptionCheck = {
      problem,
      object: (option, value, text) => (value === undefined ? {} : expectObject(option, value, text)),
      wireText,
      known: (options, names, within, ignored = []) => {
        if (options === undefined && within !== undefined) return {}
        const given = expectObject(within ?? "options", options, `must be an object; known are ${names.join(", ")}`)
        const all = names.concat(ignored)
        for (const name of Object.keys(given)) {
          if (all.includes(name)) continue
          const alias = ALIASES.get(name)
          const meant = alias !== undefined && all.includes(alias) ? alias : nearest(name, all)
          problem(
            within === undefined ? name : `${within}.${name}`,
            meant === undefined ? `unknown option; known are ${names.join(", ")}` : `unknown; did you mean "${meant}"?`
          )
        }
        return given
      },
      millis: (option, value) => {
        const millis = millisOf(value)
        if (!(millis > 0 && millis <= MAX)) problem(option, "must be a duration above zero, of at most 24 days")
        return millis
      },
      longMillis: (option, value) => {
        const millis = millisOf(value)
        if (!(millis > 0 && Number.isFinite(millis))) problem(option, "must be a duration above zero, and not endless")
        return millis
      },
      boolean: (option, value, fallback) => {
        if (value === undefined) return fallback
        // A text from a configuration file, such as "false", would count as true.
        if (typeof value !== "boolean") problem(option, "must be true or false")
        return value
      },
      integer: (option, value, fallback, min) => {
        if (value === undefined) return fallback
        if (Number.isSafeInteger(value) && value >= min && value <= MAX) return value
        problem(option, `must be a whole number from ${min} to ${MAX}`)
        return fallback
      },
      oneOf: (option, value, fallback, allowed) => {
        if (value === undefined) return fallback
        if (!allowed.includes(value)) problem(option, `must be one of ${allowed.join(", ")}`)
        return value
      },
      topic: (value) => {
        if (typeof value !== "string" || value.trim() === "") return problem("topic", "must not be empty")
        if (isTopicName(value)) topic = value
        else problem("topic", TOPIC_NAME)
      },
      clientId: (value) => {
        if (value === undefined) return "effect-ktables"
        wireText("clientId", value)
        return value
      },
      codec: (option, value, example) => {
        if (!isCodec(value)) problem(option, `must be a Codec, such as ${example}`)
        else if (value.problem !== undefined) problem(option, value.problem)
      }
    }
    let result: A | undefined
    try {
      result = read(check)
    } catch (thrown) {
      // Something was used of which a problem is noted already, or the properties of the options cannot be read.
      if (problems.length === 0) problem("options", `cannot be read: ${kindOfThrown(thrown)}`)
    }
    return problems.length === 0
      ? Effect.succeed(result as A)
      : Effect.fail(new InvalidOptionsError({ module, ...(topic === undefined ? {} : { topic }), problems }))
  })
