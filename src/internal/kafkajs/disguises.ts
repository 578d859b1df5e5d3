/**
 * What a text may stand for: itself, and what comes of it where an encoding is undone that people and programs use for
 * bytes and text. In which of them somebody writes a secret is not ours to guess.
 */
import { ownBytes, readAndCleared } from "./ownBytes.ts"

/** How many encodings may be nested, as in base64 of hex, or base64 in a URL. */
const DEPTH = 2

const textOf = (bytes: Uint8Array): string => readAndCleared(bytes, (bytes) => bytes.toString("utf8"))

const textsOf = (bytes: Uint8Array): ReadonlyArray<string> =>
  readAndCleared(bytes, (bytes) => [bytes.toString("utf8"), bytes.toString("utf16le")])

const bytesOfHex = (hex: string): Buffer => ownBytes(hex.replaceAll(/0x|[^0-9a-f]/gi, ""), "hex")

const character = (digits: string, base: number): string => {
  const code = Number.parseInt(digits, base)
  return code <= 0x10ffff ? String.fromCodePoint(code) : ""
}

const NAMED = new Map([
  ["quot", '"'],
  ["apos", "'"],
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"]
])

/** The text without the escapes of URLs, JSON, C, HTML and XML. */
const unescaped = (text: string): string =>
  text
    .replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => textOf(bytesOfHex(run)))
    .replaceAll(/(?:\\x[0-9a-f]{2})+/gi, (run) => textOf(bytesOfHex(run)))
    .replaceAll(/(?:\\[0-3][0-7]{2})+/g, (run) => textOf(Uint8Array.from(run.split("\\").slice(1).map(octal))))
    .replaceAll(/\\u\{?([0-9a-f]{4,6})\}?|U\+([0-9a-f]{4,6})/gi, (_, escape?: string, name?: string) =>
      character(escape ?? name ?? "", 16)
    )
    .replaceAll(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));?/gi, (_, hex?: string, digits?: string) =>
      hex === undefined ? character(digits ?? "", 10) : character(hex, 16)
    )
    .replaceAll(/&([a-z]{2,4});/g, (all, name: string) => NAMED.get(name) ?? all)
    .replaceAll(/\\[nrt]/g, " ")
    .replaceAll(/\\(.)/g, "$1")

const octal = (digits: string): number => Number.parseInt(digits, 8)

/** A run of at least four pairs of hexadecimal digits, whatever separates them. */
const HEX = /(?:(?:0x)?[0-9a-f]{2}[\s:,;.-]*){4,}/gi

const ofHex = (text: string): ReadonlyArray<string> =>
  (text.match(HEX) ?? []).flatMap((run) => textsOf(bytesOfHex(run)))

/**
 * A run that may be base64, broken into lines or not. Words before it may look like a part of it, so it is decoded from
 * each of the first four characters on.
 */
const BASE64 = /[a-z0-9+/_-][a-z0-9+/_=\s-]{6,}/gi

const ofBase64 = (text: string): ReadonlyArray<string> =>
  (text.match(BASE64) ?? []).flatMap((run) => {
    const digits = run.replaceAll(/[\s=]/g, "")
    return [0, 1, 2, 3].flatMap((from) => textsOf(ownBytes(digits.slice(from), "base64")))
  })

/** A list of numbers that may be bytes, signed or not, in decimal, octal or binary. */
const NUMBERS = /-?\d{1,8}(?:[\s,;|\\]+-?\d{1,8}){3,}/g

const ofNumbers = (text: string): ReadonlyArray<string> =>
  (text.match(NUMBERS) ?? []).flatMap((run) => {
    const digits = run.match(/-?\d+/g) ?? []
    return [2, 8, 10].flatMap((base) => textsOf(Uint8Array.from(digits, (one) => Number.parseInt(one, base) & 0xff)))
  })

/** Undoes that bytes of UTF-8 were read as one character each. */
const ofLatin1 = (text: string): string => textOf(ownBytes(text, "latin1"))

/** All that a short text may stand for, itself first. */
export const disguisesOf = (text: string): ReadonlySet<string> => {
  const all = new Set([text])
  let last: ReadonlyArray<string> = [text]
  for (let depth = 0; depth < DEPTH; depth++) {
    last = last
      .flatMap((one) => [unescaped(one), ofLatin1(one), ...ofHex(one), ...ofBase64(one), ...ofNumbers(one)])
      .filter((one) => !all.has(one))
    for (const one of last) all.add(one)
  }
  return all
}
