/** Takes the credentials out of what brokers say about them: some quote what they refuse, and somebody may log that. */
import { foreignText } from "../foreignText.ts"
import { disguisesOf } from "./disguises.ts"
import { ownBytes, readAndCleared } from "./ownBytes.ts"

const REDACTED = "<redacted>"

const WITHHELD = "its words quote the credentials, and are withheld"

/** At most this many characters of a broker's words are kept. */
const LENGTH = 1_024

/** Secrets that are shorter, in characters, are not looked for, as they would be found in anything. */
const MIN_PIECE = 4

/** With this many letters and digits, a secret is found by them alone, whatever stands between them. */
const MIN_LETTERS = 8

/**
 * A part of a secret is taken for it, if it has `MOST` of its letters and digits, but at least `MIN_PART` and not
 * necessarily more than `MAX_PART`.
 */
const MIN_PART = 10
const MAX_PART = 16
const MOST = 0.6

/**
 * The pieces that the base64 of anything with this secret in it has, in lower case: one for each place in a group of
 * three bytes.
 */
const base64Of = (secret: string): ReadonlyArray<string> =>
  [0, 1, 2].map((shift) => {
    const bytes = ownBytes("\0".repeat(shift) + secret)
    const from = shift === 0 ? 0 : shift + 1
    const cut = bytes.length % 3 === 0 ? 0 : 1
    const text = readAndCleared(bytes, (bytes) => bytes.toString("base64url"))
    return text.slice(from, text.length - cut).toLowerCase()
  })

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** The letters and digits of a text, in lower case. */
const lettersOf = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "")

const reversed = (text: string): string => [...text].reverse().join("")

/**
 * Makes what tells whether the secret, or most of it, is in a text that is not encoded: in any case of letters, with
 * anything between them, and backwards.
 */
const finderOf = (secret: string): ((text: string) => boolean) => {
  const whole = secret.toLowerCase()
  const letters = lettersOf(secret)
  const isLong = letters.length >= MIN_LETTERS
  const length = Math.min(MAX_PART, Math.max(MIN_PART, Math.ceil(MOST * letters.length)))
  const parts = new Set<string>()
  for (const direction of [letters, reversed(letters)]) {
    for (let i = 0; i + length <= direction.length; i++) parts.add(direction.slice(i, i + length))
  }
  const backwards = reversed(letters)
  return (text) => {
    if (secret.length >= MIN_PIECE && text.toLowerCase().includes(whole)) return true
    if (!isLong) return false
    const found = lettersOf(text)
    if (found.includes(letters) || found.includes(backwards)) return true
    for (let i = 0; i + length <= found.length; i++) if (parts.has(found.slice(i, i + length))) return true
    return false
  }
}

export interface Credentials {
  /** Nothing of this is told, in whatever form. */
  readonly secret: string
  /** This is no secret. It is taken out where it stands as a word, as it may be a part of any word. */
  readonly username?: string
}

/**
 * Makes what gives a broker's words in one line, without the credentials. Words that have them in another form are
 * withheld.
 */
export const redacted = ({ secret, username }: Credentials): ((words: string) => string) => {
  const base64 = base64Of(secret).filter((piece) => piece.length >= MIN_PIECE)
  const finds = finderOf(secret)
  const named =
    username === undefined || username === ""
      ? undefined
      : new RegExp(`(?<![\\p{L}\\p{N}_])${escaped(username)}(?![\\p{L}\\p{N}_])`, "gu")
  const isIn = (text: string): boolean => {
    const digits = text.toLowerCase().replaceAll("+", "-").replaceAll("/", "_")
    return base64.some((piece) => digits.includes(piece)) || [...disguisesOf(text)].some(finds)
  }
  return (words) => {
    const plain = secret === "" ? words : words.replaceAll(secret, REDACTED)
    // Words behind this are not told, so they need not be searched.
    const told = plain.slice(0, LENGTH + 1)
    if (secret !== "" && isIn(told.replaceAll(REDACTED, " "))) return WITHHELD
    return foreignText(named === undefined ? told : told.replace(named, REDACTED), LENGTH)
  }
}
