// Finds relative links of all pages that lead nowhere: to no file, or to no heading of a page.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const SKIPPED = new Set(["node_modules", "dist", "build", "coverage", "effect4"])

const pagesIn = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? pagesIn(path) : entry.name.endsWith(".md") ? [path] : []
  })

/** A page's lines with their numbers, without those of its blocks of code. */
const proseOf = (page) => {
  let inCode = false
  return readFileSync(page, "utf8")
    .split("\n")
    .flatMap((text, index) => {
      if (/^\s*```/.test(text)) inCode = !inCode
      return inCode ? [] : [{ line: index + 1, text }]
    })
}

/** What GitHub makes of a heading. */
const anchorsOf = (page) => {
  const anchors = new Set()
  for (const { text } of proseOf(page)) {
    const heading = /^#+\s+(.*?)\s*$/.exec(text)?.[1]
    if (heading === undefined) continue
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
    const slug = words.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-")
    let anchor = slug
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`
    anchors.add(anchor)
  }
  return anchors
}

let links = 0
const pages = pagesIn(root)
for (const page of pages) {
  for (const { line, text } of proseOf(page)) {
    for (const [, target] of text.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      links++
      const [path, anchor] = target.split("#")
      const file = path === "" ? page : resolve(dirname(page), path)
      const problem = !existsSync(file)
        ? "no such file"
        : anchor !== undefined && !(file.endsWith(".md") && anchorsOf(file).has(anchor))
          ? "no such heading"
          : undefined
      if (problem === undefined) continue
      console.error(`${relative(root, page)}:${line}: ${target}: ${problem}`)
      process.exitCode = 1
    }
  }
}
console.log(`links in the docs: ${links} in ${pages.length} pages looked up`)
