/**
 * Does something that wakes fibers, once the code that runs now has come to its end. Effect 3 begins to run a fiber in a
 * task of its own when it is woken, so that it can be done at once.
 */
export const soon = (wake: () => void): void => wake()
