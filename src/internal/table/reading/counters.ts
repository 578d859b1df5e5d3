/**
 * What a table counts since it was acquired. They are plain numbers, as the hot loop adds to them; metrics take the
 * difference once per publication. See `TableStats` for what each of them counts.
 */
export interface Counters {
  applied: number
  tombstones: number
  keyless: number
  keyErrors: number
  valueErrors: number
  aborted: number
  evicted: number
  expired: number
  expiryErrors: number
  rebuilds: number
  reconnects: number
}

export const makeCounters = (): Counters => ({
  applied: 0,
  tombstones: 0,
  keyless: 0,
  keyErrors: 0,
  valueErrors: 0,
  aborted: 0,
  evicted: 0,
  expired: 0,
  expiryErrors: 0,
  rebuilds: 0,
  reconnects: 0
})
