/** What the end of a session means, by its reason.  Pure. */
import { EXIT_REASONS } from "./exit_reasons.js";

/** A reason that only a newer server knows. */
const UNKNOWN = { whose: "agent", isClean: false, word: "ended", tone: "bad", aftermath: "It was not started again; a new call starts another session." };

/** What follows from an exit reason: `{whose, isClean, word, tone, aftermath}`. */
export const meaning = (reason) => EXIT_REASONS[reason] ?? UNKNOWN;

/** Whether an exit reason means that nothing went wrong. */
export const isClean = (reason) => meaning(reason).isClean;
