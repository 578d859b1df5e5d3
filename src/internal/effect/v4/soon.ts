let due: Array<() => void> = []

const run = (): void => {
  const all = due
  due = []
  for (const one of all) one()
}

/**
 * Does something once the code that runs now has come to its end, before the event loop goes on; what is done so keeps
 * its order. It is for waking fibers from plain synchronous code, which has more to do: Effect runs a fiber that it
 * wakes at once, within the call that wakes it, and its user's code would see half of a change, or make another one.
 */
export const soon = (wake: () => void): void => {
  if (due.push(wake) === 1) queueMicrotask(run)
}
