/** What was said in threads, read when somebody searches for it: the newest ones, a few at a time. */

const MAX_THREADS = 100;
const AT_ONCE = 4;
const MAX_DEPTH = 12;
const AROUND = 40;

/**
 * Read what is not known yet of some threads.
 *
 * @param {import("./client.js").RoomClient} room
 * @param {{path: string, at: number}[]} threads  the newest first
 * @param {Map<string, {at: number, text: string}>} known  by path; filled in
 * @param {() => boolean} goesOn  asked before each
 */
export async function readTexts(room, threads, known, goesOn) {
  const waiting = threads.slice(0, MAX_THREADS).filter((one) => known.get(one.path)?.at !== one.at);
  const work = async () => {
    for (let one = waiting.shift(); one && goesOn(); one = waiting.shift()) {
      try {
        const text = textOf(await room.ask("room.describe", { path: one.path })).join("\n");
        known.set(one.path, { at: one.at, text });
      } catch {
        known.set(one.path, { at: one.at, text: "" }); // it was deleted, or is not for us
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Every text that was said in a described document.  Pure. */
export function textOf(value, depth = 0) {
  if (!value || typeof value !== "object" || depth > MAX_DEPTH) return [];
  if (Array.isArray(value)) return value.flatMap((one) => textOf(one, depth + 1));
  const own = typeof value.text === "string" && value.text ? [value.text] : [];
  return [...own, ...Object.values(value).flatMap((one) => textOf(one, depth + 1))];
}

/** Where the first of the words stands, with what is around it; empty where none does.  Pure. */
export function around(text, query) {
  const all = text.toLowerCase();
  const found = query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => [all.indexOf(word), word.length]).filter(([at]) => at >= 0);
  if (!found.length) return "";
  const [at, length] = found.reduce((a, b) => (b[0] < a[0] ? b : a));
  const [from, to] = [Math.max(0, at - AROUND), Math.min(text.length, at + length + AROUND)];
  return `${from ? "…" : ""}${text.slice(from, to).replace(/\s+/g, " ").trim()}${to < text.length ? "…" : ""}`;
}
