// The blocks of code in a page, or in a module's doc comments. A comment in front of a block says what it is:
//
//   <!-- file: name.ts -->   it is that file, beside the page's other files
//   <!-- prints -->          what the file before it prints when it is run: these lines, in this order. … is anything, and a
//                            line that begins with it is not looked for
//   <!-- tests -->           the command that runs the page's *.test.ts
import { readFileSync } from "node:fs"

/** Blocks of a file, with the line that they begin at. Doc comments carry ` * ` in front of each line. */
export const blocksOf = (file) => {
  const blocks = []
  let open
  let mark
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
        open = { line: index + 1, language: fence[1], mark, lines: [] }
        mark = undefined
      } else mark = /^<!-- (.*) -->$/.exec(text)?.[1] ?? (text === "" ? mark : undefined)
    })
  return blocks
}
