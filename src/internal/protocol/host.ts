/** A name of the DNS has 253 characters at most, an IPv6 address with its zone fewer. */
const MAX_HOST = 255

/** Labels of letters, digits and hyphens, and underscores, as container networks have them. */
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/i

/** An IPv6 address, with its zone where it has one. Whether it is one is for the socket to say. */
const ADDRESS = /^(?=.*:.*:)[0-9a-f:.]+(?:%[a-z0-9._-]+)?$/i

/** Can this be the host of a broker: a name of the DNS, or an address? Others are not asked for, nor written to a log. */
export const isHost = (text: string): boolean => text.length <= MAX_HOST && (NAME.test(text) || ADDRESS.test(text))
