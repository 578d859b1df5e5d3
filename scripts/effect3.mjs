// Makes build/effect-3, for whoever wants to look at it or to work in it.
import { makeEffect3 } from "./majors.mjs"

makeEffect3()
