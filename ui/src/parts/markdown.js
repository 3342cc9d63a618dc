/**
 * Markdown of models and people, which is hostile input, as elements.
 *
 * marked only cuts the text into tokens; the elements are made here, from a fixed list.  No string of HTML is made at
 * any point, so there is nothing to sanitise: raw HTML is shown as the text that it is, images from elsewhere become
 * links, and links lead to http, https and mailto only, in a page of their own.
 */

import { Lexer } from "marked";
import { h, useMemo, useRef } from "../core/html.js";
import { coloured } from "./coloured.js";
import { Copy } from "./copy.js";

/** Longer texts are shown as they are: their author had no reader in mind, and lexing takes time. */
export const MAX_FORMATTED_CHARS = 60_000;
const MAX_DEPTH = 24;
const SAFE_HREF = /^(https?:\/\/|mailto:)/i;

/** A text with its formatting; of one that grows, as an answer does, only the end is read again. */
export function Markdown({ text }) {
  const before = useRef(null);
  return useMemo(() => {
    before.current = grown(before.current, text);
    return h("div", { class: "markdown", dir: "auto" }, elementsOf(before.current));
  }, [text]);
}

/** The elements for a text. */
export const toElements = (text) => elementsOf(grown(null, text));

/** The last blocks of a text that grows may yet become others; those before them stay. */
const OPEN_BLOCKS = 3;

/**
 * A text that was read: `{text, tokens, nodes}`, a node for each token; those of `before` where its text goes on.
 * What refers to a definition elsewhere in the text is read with all of it.
 */
export function grown(before, text) {
  if (text.length > MAX_FORMATTED_CHARS) return { text, tokens: null, nodes: [h("pre", { class: "plain" }, text)] };
  const kept = before?.tokens && text.startsWith(before.text) && !text.includes("\r") ? before.tokens.slice(0, -OPEN_BLOCKS) : [];
  const isWhole = kept.length === 0 || /^ {0,3}\[[^\]]+\]:/m.test(text);
  const known = isWhole ? [] : kept;
  const from = known.reduce((sum, token) => sum + token.raw.length, 0);
  let tokens;
  try {
    tokens = new Lexer({ gfm: true, breaks: true }).lex(text.slice(from));
  } catch {
    return { text, tokens: null, nodes: [h("pre", { class: "plain" }, text)] };
  }
  return { text, tokens: [...known, ...tokens], nodes: [...(known.length ? before.nodes.slice(0, known.length) : []), ...tokens.map((token) => block(token, 0))] };
}

const elementsOf = ({ nodes }) => nodes.filter((one) => one !== null);

/** The address if a reader may be led there, else null. */
export function safeHref(href) {
  if (typeof href !== "string") return null;
  // Browsers skip blanks and control characters when they read a scheme; so does this check.
  const clean = unescapeEntities(href).replace(/[\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/g, "");
  if (!SAFE_HREF.test(clean)) return null;
  try {
    return new URL(clean).href;
  } catch {
    return null;
  }
}

function blocks(tokens, depth) {
  if (depth > MAX_DEPTH) return tokens.map((token) => token.raw);
  return tokens.map((token) => block(token, depth)).filter((one) => one !== null);
}

function block(token, depth) {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      // Below the page's own headings, whatever the author took.
      return h(`h${Math.min(6, token.depth + 3)}`, null, inlines(token.tokens, depth + 1));
    case "paragraph":
      return h("p", null, inlines(token.tokens, depth + 1));
    case "text":
      return token.tokens ? inlines(token.tokens, depth + 1) : unescapeEntities(token.text);
    case "code":
      return codeBlock(token);
    case "blockquote":
      return h("blockquote", null, blocks(token.tokens, depth + 1));
    case "hr":
      return h("hr");
    case "list":
      return h(token.ordered ? "ol" : "ul", token.ordered && token.start !== 1 ? { start: token.start } : null, token.items.map((item) => listItem(item, depth + 1)));
    case "table":
      return table(token, depth + 1);
    default:
      return inline(token, depth);
  }
}

/** Code with its language and a way to copy it. */
function codeBlock({ text, lang }) {
  const language = /^[\w+#.-]{1,20}/.exec(lang ?? "")?.[0] ?? "";
  return h(
    "figure",
    { class: "code-block" },
    h("figcaption", null, h("span", { class: "muted" }, language || "text"), h(Copy, { text, title: "Copy the code" })),
    h("pre", { class: "code", dir: "ltr", tabindex: 0 }, h("code", null, coloured(text, language))),
  );
}

function listItem(item, depth) {
  return h("li", item.task ? { class: "task" } : null, blocks(item.tokens, depth));
}

function table(token, depth) {
  const cell = (tag) => (one) => h(tag, one.align ? { class: `align-${one.align}` } : null, inlines(one.tokens, depth));
  const head = h("thead", null, h("tr", null, token.header.map(cell("th"))));
  const body = h("tbody", null, token.rows.map((row) => h("tr", null, row.map(cell("td")))));
  return h("div", { class: "table-scroll" }, h("table", null, head, body));
}

function inlines(tokens, depth) {
  if (depth > MAX_DEPTH) return tokens.map((token) => token.raw);
  return tokens.map((token) => inline(token, depth));
}

function inline(token, depth) {
  switch (token.type) {
    case "text":
    case "escape":
      return token.tokens ? inlines(token.tokens, depth + 1) : unescapeEntities(token.text);
    case "strong":
    case "em":
    case "del":
      return h(token.type, null, inlines(token.tokens, depth + 1));
    case "codespan":
      return h("code", { dir: "ltr" }, token.text);
    case "br":
      return h("br");
    case "checkbox":
      return h("input", { type: "checkbox", checked: token.checked, disabled: true, "aria-label": token.checked ? "done" : "open" });
    case "link":
      return link(token.href, inlines(token.tokens, depth + 1), token.raw);
    case "image":
      return link(token.href, [`image: ${unescapeEntities(token.text) || "without a name"}`], token.raw);
    default:
      return token.raw; // raw HTML and what is not known: as it was written
  }
}

function link(href, children, raw) {
  const safe = safeHref(href);
  if (safe === null) return raw;
  return h("a", { href: safe, target: "_blank", rel: "noopener noreferrer nofollow", title: safe }, children);
}

const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", hellip: "…", mdash: "—", ndash: "–", copy: "©", times: "×", rarr: "→" };

function unescapeEntities(text) {
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]{2,8});/gi, (whole, name) => {
    if (name[0] !== "#") return NAMED[name.toLowerCase()] ?? whole;
    const code = name[1] === "x" || name[1] === "X" ? parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : whole;
  });
}
