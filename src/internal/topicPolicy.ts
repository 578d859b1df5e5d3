/** A topic's `cleanup.policy`: a list of words, separated by commas. */

export const POLICY = "cleanup.policy"

export const COMPACT = "compact"

export const policiesOf = (policy: string): ReadonlyArray<string> => policy.split(",").map((one) => one.trim())

export const isCompacting = (policy: string): boolean => policiesOf(policy).includes(COMPACT)
