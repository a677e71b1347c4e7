/** A failure that a person can mend: shown without a stack. */
export class SetupError extends Error {}
