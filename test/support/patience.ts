/**
 * How long is waited for what has to happen. No promise is judged by these, and no test is made to end in time by them: a busy
 * machine takes many times as long as a quiet one. What has not happened by then is not going to.
 */

/** For one thing to happen, or for a sign of life of what it is waited for. */
export const PATIENCE_MILLIS = 240_000

/**
 * For what an option makes happen sooner than by its default: far above what tests give that option, and below each default, which
 * is half a minute or more. Without the option's effect it would not have happened by then.
 */
export const SOONER_MILLIS = 20_000

/** For a whole test, by the runner: longer than the other, so that who waits can say for what. */
export const HUNG_MILLIS = 600_000

/** For what is downloaded or installed on a machine by its first run. */
export const DOWNLOAD_MILLIS = 900_000
