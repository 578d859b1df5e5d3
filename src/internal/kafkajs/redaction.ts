/** What brokers say about credentials, without the credentials: some quote what they refuse, and somebody may log it. */
import { foreignText } from "../foreignText.ts"

const REDACTED = "<redacted>"

const WITHHELD = "its words quote the credentials, and are withheld"

/** Of a broker's words, so much is kept. */
const LENGTH = 1_024

/** Shorter pieces of an encoded secret are found in anything. */
const MIN_PIECE = 4

const base64Of = (bytes: Buffer): ReadonlyArray<string> =>
  // base64 of any text that the secret is a part of: what is before it shifts it by 0, 1 or 2 bytes
  [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replaceAll("=", "")
    const from = shift === 0 ? 0 : shift + 1
    const to = (shift + bytes.length) % 3 === 0 ? text.length : text.length - 1
    const piece = text.slice(from, to)
    return [piece, piece.replaceAll("+", "-").replaceAll("/", "_")]
  })

/** As it looks in the usual encodings, lower case. Which of them somebody uses is not ours to guess. */
const encodingsOf = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString("hex")
  const pairs = hex.match(/../g) ?? []
  return [
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(bytes.toString()),
    hex,
    pairs.join(" "),
    pairs.join(":"),
    pairs.map((pair) => `0x${pair}`).join(", "),
    [...bytes].join(","),
    [...bytes].join(", "),
    [...bytes].join(" ")
  ].map((text) => text.toLowerCase())
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")

export interface Credentials {
  /** Nothing of it is told, in whatever form. */
  readonly secret: string
  /** No secret: taken out where it stands for itself, as it may be a part of any word. */
  readonly username?: string
}

/** A broker's words, in one line, without the credentials. Words that have them encoded are withheld as a whole. */
export const redacted = ({ secret, username }: Credentials): ((words: string) => string) => {
  const base64 = base64Of(Buffer.from(secret)).filter((piece) => piece.length >= MIN_PIECE)
  const encodings = encodingsOf(secret).filter((piece) => piece.length >= MIN_PIECE)
  const named =
    username === undefined || username === ""
      ? undefined
      : new RegExp(`(?<![\\p{L}\\p{N}_])${escaped(username)}(?![\\p{L}\\p{N}_])`, "gu")
  return (words) => {
    const plain = secret === "" ? words : words.replaceAll(secret, REDACTED)
    const lower = plain.toLowerCase()
    if (base64.some((piece) => plain.includes(piece)) || encodings.some((piece) => lower.includes(piece))) {
      return WITHHELD
    }
    return foreignText(named === undefined ? plain : plain.replace(named, REDACTED), LENGTH)
  }
}
