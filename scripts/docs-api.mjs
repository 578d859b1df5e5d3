// The API reference, out of the doc comments: into build/api, or with --check nowhere. Fails on whatever is missing or
// broken in them, so that what is written is whole.
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Application, Converter, ReflectionKind } from "typedoc"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, "build", "api")

const app = await Application.bootstrapWithPlugins({
  name: "effect-ktables",
  entryPoints: [join(root, "src", "*.ts")],
  exclude: [join(root, "src", "index.ts")],
  tsconfig: join(root, "tsconfig.json"),
  readme: join(root, "README.md"),
  projectDocuments: [join(root, "docs", "*.md"), join(root, "CHANGELOG.md")],
  out,
  // `npm run check` compiles everything already
  skipErrorChecking: true,
  disableSources: true,
  excludeInternal: true,
  categorizeByGroup: false,
  navigation: { includeCategories: true },
  highlightLanguages: ["ts", "js", "json", "sh", "console", "java", "python"],
  // of the pages' relative links, docs-links.mjs knows more
  validation: { invalidLink: true, invalidPath: false, notDocumented: true, notExported: true },
  // members of options and models say more than their type where there is more to say
  // `apis` is the table of requests: their names and types are taken from it, and are documented by themselves
  intentionallyNotExported: ["TypeId", "apis", "Api"],
  requiredToBeDocumented: ["Module", "Namespace", "Class", "Interface", "TypeAlias", "Variable", "Function"]
})

// a page is called what its heading says
app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, page) => {
  page.name = /^# (.*)$/m.exec(readFileSync(join(root, `${page.name}.md`), "utf8"))[1]
})

const project = await app.convert()
if (project === undefined) process.exit(1)
app.validate(project)

/** What is exported has to say since when it is there, and of what kind it is. */
const tagged = ReflectionKind.SomeExport & ~ReflectionKind.Module
for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
  if (module.comment?.getTag("@since") === undefined) app.logger.warn(`${module.name} has no @since`)
  for (const child of module.children ?? []) {
    if (!child.kindOf(tagged)) continue
    const comment = child.comment ?? child.signatures?.[0]?.comment
    for (const tag of ["@since", "@category"]) {
      if (comment?.getTag(tag) === undefined) app.logger.warn(`${child.getFullName()} has no ${tag}`)
    }
  }
}

if (!process.argv.includes("--check") && !app.logger.hasErrors()) {
  await app.generateOutputs(project)
  console.log(`the API reference is in ${join(out, "index.html")}`)
}
process.exit(app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0)
