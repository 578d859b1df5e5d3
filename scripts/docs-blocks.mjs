// The blocks of code in a page, or in a module's doc comments. A comment in front of a block says what it is, in one or
// more of these parts, with commas between:
//
//   <!-- file: name.ts -->   it is that file, beside the page's other files; `name.ts of page.md`, beside those of that page
//   <!-- prints -->          what the file before it prints when it is run: these lines, in this order. … is anything, and a
//                            line that begins with it is not looked for
//   <!-- tests -->           the command that runs the page's *.test.ts
//   <!-- effect 4 -->        on this major of Effect only. Blocks of code are for both, if nothing is said; what imports a
//                            file that is for one of them alone is, too
import { readFileSync } from "node:fs"

/** What the comment in front of a block says. */
const marksOf = (comment) => {
  const marks = {}
  for (const part of comment?.split(", ") ?? []) {
    const [, key, value] = /^(file:|effect|prints$|tests$) ?(.*)$/.exec(part) ?? []
    if (key === "file:") [marks.file, marks.page] = value.split(" of ")
    else if (key === "effect") marks.major = Number(value)
    else if (key !== undefined) marks[key] = true
    else marks.unknown = part
  }
  return marks
}

/** Blocks of a file, with the line that they begin at. Doc comments carry ` * ` in front of each line. */
export const blocksOf = (file) => {
  const blocks = []
  let open
  let comment
  readFileSync(file, "utf8")
    .split("\n")
    .forEach((line, index) => {
      const text = file.endsWith(".ts") ? line.replace(/^\s*\* ?/, "") : line
      const fence = /^```(\S*)/.exec(text)
      if (open !== undefined && fence !== null) {
        blocks.push(open)
        open = undefined
      } else if (open !== undefined) open.lines.push(text)
      else if (fence !== null) {
        open = { line: index + 1, language: fence[1], marks: marksOf(comment), lines: [] }
        comment = undefined
      } else comment = /^<!-- (.*) -->$/.exec(text)?.[1] ?? (text === "" ? comment : undefined)
    })
  return blocks
}
