/**
 * Text that somebody else wrote (a key, a broker's words, a host name, a codec's message), made fit for a line of a log,
 * a message or an annotation. Whoever writes to the topic, or answers as a broker, must not be able to begin a line, to
 * move a terminal's cursor, to turn the reading direction around, or to fill a disk. All such text goes through here.
 */

/** How many characters of it are shown, where a caller says nothing else. */
const LENGTH = 256

// Control and format characters, lone surrogates, private and unassigned ones, separators of lines and paragraphs.
const UNFIT = /[\p{C}\p{Zl}\p{Zp}]/gu

const NAMED = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"]
])

const escaped = (character: string): string => {
  const named = NAMED.get(character)
  if (named !== undefined) return named
  const code = character.codePointAt(0)!
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`
}

/** The first `length` UTF-16 units at most, and an ellipsis if there are more. No surrogate pair is cut in two. */
const shortened = (text: string, length: number): string => {
  if (text.length <= length) return text
  const last = text.charCodeAt(length - 1)
  return `${text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length)}…`
}

/**
 * One line of at most `length` characters of the text, with what is not printable written as escapes (`\n`, `\u001b`).
 *
 * @internal
 */
export const foreignText = (text: string, length = LENGTH): string => shortened(text, length).replace(UNFIT, escaped)

/**
 * The same in double quotes, with quotes and backslashes in it escaped, so that it is seen where it ends.
 *
 * @internal
 */
export const quotedForeignText = (text: string, length = LENGTH): string =>
  `"${shortened(text, length)
    .replaceAll(/["\\]/g, (character) => `\\${character}`)
    .replace(UNFIT, escaped)}"`
