/** On this major all of what is random is tried. */
export const share = 1
