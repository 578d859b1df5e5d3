/** Tells of each mutant that no test notices as soon as that is known: a run of a large folder takes hours. */
class SurvivorsReporter {
  onMutantTested({ fileName, location, mutatorName, replacement, status }) {
    if (status !== "Survived" && status !== "NoCoverage") return
    const { column, line } = location.start
    console.log(`not noticed: ${fileName}:${line}:${column} ${mutatorName}: ${replacement?.replace(/\s+/g, " ")}`)
  }
}

export const strykerPlugins = [{ kind: "Reporter", name: "survivors", injectableClass: SurvivorsReporter }]
