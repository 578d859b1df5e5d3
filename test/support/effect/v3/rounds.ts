/** What is random is tried on Effect 4, on the same sources; here a part of it, for what the majors themselves do. */
export const share = 1 / 3
