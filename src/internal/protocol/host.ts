/** No host has more characters: a name of the DNS has 253 at most, and an IPv6 address with its zone fewer. */
const MAX_HOST = 255

/** A name: labels of letters, digits and hyphens, and of underscores, as container networks have them. */
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/i

/** What may be an IPv6 address, with its zone where it has one. Whether it is one is for the socket to say. */
const ADDRESS = /^(?=.*:.*:)[0-9a-f:.]+(?:%[a-z0-9._-]+)?$/i

/**
 * Whether this can be the host of a broker, a name or an address. Anything else is neither connected to nor written to
 * a log.
 */
export const isHost = (text: string): boolean => text.length <= MAX_HOST && (NAME.test(text) || ADDRESS.test(text))
