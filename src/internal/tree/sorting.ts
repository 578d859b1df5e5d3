/**
 * Sorts entries in steps, so that a million of them do not hold the event loop: runs of a few thousand by the engine's own
 * sort, which are then merged two by two.
 */

/** How many entries one run has, which is sorted at once. */
const RUN = 2048

/** How many entries are merged between two steps. */
const MERGED_PER_STEP = 8192

/**
 * Sorts `ranks`, an array of any numbers, by a comparison of two of them, or as numbers. It is done in place, or in a
 * second array: the one that is returned has the result.
 */
export function* sortInSteps(
  ranks: Float64Array,
  compare?: (a: number, b: number) => number
): Generator<void, Float64Array> {
  for (let from = 0; from < ranks.length; from += RUN) {
    ranks.subarray(from, from + RUN).sort(compare)
    yield
  }
  const isInOrder =
    compare === undefined ? (a: number, b: number) => a <= b : (a: number, b: number) => compare(a, b) <= 0
  let source: Float64Array = ranks
  let target: Float64Array = new Float64Array(ranks.length > RUN ? ranks.length : 0)
  for (let width = RUN; width < ranks.length; width *= 2) {
    let n = 0
    for (let from = 0; from < ranks.length; from += 2 * width) {
      const middle = Math.min(from + width, ranks.length)
      const end = Math.min(from + 2 * width, ranks.length)
      for (let a = from, b = middle, to = from; to < end; to++) {
        const first = b === end || (a < middle && isInOrder(source[a], source[b]))
        target[to] = first ? source[a++] : source[b++]
        if (++n % MERGED_PER_STEP === 0) yield
      }
    }
    ;[source, target] = [target, source]
  }
  return source
}
