/** How much something grows. */

export interface Point {
  readonly x: number
  readonly y: number
}

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Of the line with the least squares: how much `y` grows with each `x`. */
export const slope = (points: ReadonlyArray<Point>): number => {
  const x0 = mean(points.map(({ x }) => x))
  const y0 = mean(points.map(({ y }) => y))
  const above = points.reduce((sum, { x, y }) => sum + (x - x0) * (y - y0), 0)
  const below = points.reduce((sum, { x }) => sum + (x - x0) ** 2, 0)
  return below === 0 ? 0 : above / below
}
