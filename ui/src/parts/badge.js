/** A state as a shape, a colour and a word: readable without the colour. */
import { isClean, meaning } from "../core/ends.js";
import { instant } from "../core/format.js";
import { cx, html } from "../core/html.js";
import { now } from "../core/live.js";

/** How long a warning about a session is told. */
const WARNED_MS = 15_000;
/** Told like a warning, and no reason to worry. */
const HELD = new Set(["frozen", "thawed"]);
export { isClean };

/** A reason as words: `room_lost` -> `room lost`. */
export const words = (code) => String(code ?? "").replaceAll("_", " ");

/**
 * How a session row fares: `{tone, word, sentence}`.
 *
 * `tone` is `ok`, `busy`, `warn`, `bad` or `idle`; `sentence` is empty while there is nothing to explain.
 */
export function condition(row) {
  const { tone, word, sentence } = judged(row);
  return { tone, word, sentence: sentence && sentence[0].toUpperCase() + sentence.slice(1) };
}

function judged(row) {
  const last = row.restart?.last_exit;
  if (row.exit) {
    const { tone, word } = meaning(row.exit.reason);
    return { tone, word, sentence: row.exit.message };
  }
  if (row.frozen) return { tone: "warn", word: "frozen", sentence: row.note ?? "" };
  if (row.restart?.at) return { tone: "bad", word: "restarting", sentence: last?.message ?? "" };
  if (row.state === "ready" && row.warned && !HELD.has(row.warned.kind) && instant(row.warned.at) > now.peek() - WARNED_MS) {
    return { tone: "warn", word: row.warned.kind === "hang" ? "hangs" : "warned", sentence: row.warned.message };
  }
  switch (row.state) {
    case "ready":
      return { tone: "ok", word: "ready", sentence: last && !isClean(last.reason) ? `${last.message}; it was started again` : "" };
    case "stopping":
      return { tone: "warn", word: "stopping", sentence: "" };
    case "exited":
      return { tone: "idle", word: "ended", sentence: "" };
    default:
      return { tone: "busy", word: words(row.state), sentence: last?.message ?? "" };
  }
}

/** The shape of a tone: disc, ring, half disc, triangle, square. */
export function Dot({ tone = "idle" }) {
  const shape = {
    ok: html`<circle cx="5" cy="5" r="4" />`,
    busy: html`<circle cx="5" cy="5" r="3.25" class="ring" /><path d="M5 1.75a3.25 3.25 0 0 1 0 6.5z" />`,
    warn: html`<path d="M5 .8 9.2 5 5 9.2.8 5z" />`,
    bad: html`<path d="M5 .6 9.8 9.2H.2z" />`,
    idle: html`<rect x="1.75" y="1.75" width="6.5" height="6.5" rx="1" class="ring" />`,
  }[tone];
  return html`<svg class=${cx("dot", `tone-${tone}`)} viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">${shape}</svg>`;
}

/** A shape and a word, without a frame: for rows. */
export const State = ({ tone, children }) => html`<span class=${cx("state", `tone-${tone}`)}><${Dot} tone=${tone} />${children}</span>`;

/** A word in a frame; `tone` as above, or none. */
export const Badge = ({ tone = "", title, children }) => html`<span class=${cx("badge", tone && `tone-${tone}`)} title=${title}>${tone && html`<${Dot} tone=${tone} />`}${children}</span>`;
