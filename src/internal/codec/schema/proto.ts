/** Set as a property it is the prototype, in an object that was parsed it is a property like others. */
export const PROTO = "__proto__"
