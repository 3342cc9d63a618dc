/** The colours that programs write for a terminal, as elements; everything else of that kind is left out. */
import { html } from "../core/html.js";

// The server shows the control character as its picture.
const SEQUENCE = /[\u001b\u241b]\[([0-9;:?]*)([@-~])/g;
const MAX_PARTS = 200;

/** A text without such sequences.  Pure. */
export const unstyled = (text) => text.replace(SEQUENCE, "");

/** A text as pieces: `[{text, classes}]`.  Pure. */
export function pieces(text) {
  const found = [];
  let classes = new Set();
  let at = 0;
  const say = (end) => end > at && found.push({ text: text.slice(at, end), classes: [...classes].join(" ") });
  for (const one of text.matchAll(SEQUENCE)) {
    say(one.index);
    at = one.index + one[0].length;
    if (one[2] === "m") classes = after(classes, one[1]);
    if (found.length >= MAX_PARTS) return [...found, { text: unstyled(text.slice(at)), classes: "" }];
  }
  say(text.length);
  return found;
}

/** A line in its colours. */
export function styled(text) {
  if (!/[\u001b\u241b]/.test(text)) return text;
  return pieces(text).map((one) => (one.classes ? html`<span class=${one.classes}>${one.text}</span>` : one.text));
}

function after(classes, codes) {
  const next = new Set(classes);
  for (const code of codes.split(/[;:]/).map(Number)) {
    if (code === 0) next.clear();
    else if (code === 1 || code === 2 || code === 3 || code === 4) next.add(`ansi-${code}`);
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97) || code === 39) {
      for (const one of next) if (/^ansi-[39]\d$/.test(one)) next.delete(one);
      if (code !== 39) next.add(`ansi-${code >= 90 ? code - 60 : code}`);
    } else if (code === 22) ["ansi-1", "ansi-2"].forEach((one) => next.delete(one));
    else if (code === 38 || code === 48) break; // of 256 or more: as it is
  }
  return next;
}
