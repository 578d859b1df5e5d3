/** The version of this package, as package.json has it: brokers are told it. */
export const VERSION = "0.1.0"
