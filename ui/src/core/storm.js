/** Crashes that come together: one note for all of them, with how many and why.  Pure. */
import { plural } from "./format.js";

/** Crashes within this time belong together. */
const TOGETHER_MS = 10_000;
const KEPT = 500;

/** Many crashes at once, from the first on. */
export class Storm {
  constructor() {
    this.seen = [];
  }

  /**
   * One more; what to say of it and of those that came with it.
   * @param {{session: string, reason: string, signal?: string, sentence: string, identity: string, room: string}} crash
   * @returns {{count: number, text: string}}  `count` sessions; with one, the text is empty
   */
  add(crash, at_ms) {
    if (at_ms - (this.seen.at(-1)?.at_ms ?? 0) > TOGETHER_MS) this.seen = [];
    this.seen = [...this.seen.filter((one) => one.session !== crash.session), { ...crash, at_ms }].slice(-KEPT);
    const count = this.seen.length;
    return { count, text: count < 2 ? "" : `${plural(count, "session")} crashed: ${whys(this.seen)}` };
  }
}

/** Why, the most frequent first: `SIGSEGV (28), an exception (2)`. */
export function whys(crashes) {
  const counts = new Map();
  for (const one of crashes) counts.set(word(one), (counts.get(word(one)) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const told = sorted.slice(0, 3).map(([why, count]) => (sorted.length > 1 ? `${why} (${count})` : why));
  return `${told.join(", ")}${sorted.length > 3 ? ", …" : ""}.`;
}

/** A crash in a word or two: the signal, the kind of exception, or the reason. */
function word({ reason, sentence = "" }) {
  return /\bSIG[A-Z0-9]+\b/.exec(sentence)?.[0] ?? /\b\w*(?:Error|Exception)\b/.exec(sentence)?.[0] ?? String(reason ?? "crash").replaceAll("_", " ");
}
