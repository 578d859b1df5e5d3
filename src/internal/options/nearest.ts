/**
 * How many steps lead from one text to the other. A step adds, removes or replaces a character, or swaps two
 * neighbours.
 */
const distance = (a: string, b: string): number => {
  let before: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1)
    }
    before = last
    last = row
  }
  return last[b.length]
}

/** The name that was probably meant: the nearest one, if at most every third character is wrong, case aside. */
export const nearest = (name: string, names: ReadonlyArray<string>): string | undefined => {
  let best: string | undefined
  let least = Math.floor(name.length / 3) + 1
  // No name is nearly as long, so it is not worth the steps.
  if (name.length > 64) return undefined
  for (const candidate of names) {
    const steps = distance(name.toLowerCase(), candidate.toLowerCase())
    if (steps < least) {
      best = candidate
      least = steps
    }
  }
  return best
}
