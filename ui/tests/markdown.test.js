import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_FORMATTED_CHARS, grown, safeHref, toElements } from "../src/parts/markdown.js";

/** What would be drawn, as text, with attributes; strings in angle quotes so that they cannot pass for elements. */
function drawn(node) {
  if (node === null || node === undefined || node === false) return "";
  if (Array.isArray(node)) return node.map(drawn).join("");
  if (typeof node !== "object") return `‹${node}›`;
  if (typeof node.type === "function") return `<${node.type.name}/>`;
  const { children, ...attributes } = node.props;
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return `<${node.type}${given.map(([name, value]) => ` ${name}=${value}`).join("")}>${drawn(children)}</${node.type}>`;
}
const shown = (text) => drawn(toElements(text));
/** All element names and attributes that a text leads to. */
function used(node, names = new Set(), attributes = new Map()) {
  if (Array.isArray(node)) node.forEach((one) => used(one, names, attributes));
  else if (node && typeof node === "object") {
    names.add(node.type.name ?? node.type);
    for (const [name, value] of Object.entries(node.props)) if (name !== "children") attributes.set(name, value);
    used(node.props.children, names, attributes);
  }
  return { names, attributes };
}

test("what people write is formatted", () => {
  assert.match(shown("a **b** *c* `d` ~~e~~"), /<strong>‹b›<\/strong>.*<em>‹c›.*<code dir=ltr>‹d›.*<del>‹e›/);
  assert.match(shown("# T"), /<h4>‹T›<\/h4>/);
  assert.match(shown("1. x\n2. y\n   - z"), /<ol><li>.*<ul><li>‹z›/);
  assert.match(shown("```js\nlet x = 1 < 2\n```"), /<figcaption><span class=muted>‹js›.*<pre class=code[^>]*><code><span class=py-keyword>‹let›<\/span>‹ x = ›.*‹1›.*‹ < ›/);
  assert.match(shown("```\nplain let\n```"), /<code>‹plain let›/);
  assert.match(shown("```<script>\nx\n```"), /<figcaption><span class=muted>‹text›/);
  assert.match(shown("| a | b |\n|---|:-:|\n| 1 | 2 |"), /<th class=align-center>‹b›/);
  assert.match(shown("one\ntwo"), /<br>/);
  assert.match(shown("AT&amp;T &#39;x&#39;"), /AT&T 'x'/);
});

const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "<svg/onload=alert(1)>",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<a href='javascript:alert(1)'>x</a>",
  "<style>*{display:none}</style>",
  "<math><mi//xlink:href='data:x,<script>alert(4)</script>'>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java&#10;script:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](vbscript:msgbox(1))",
  "[x](//evil.example/)",
  "[x](/studio/settings)",
  "![x](https://evil.example/pixel.png)",
  "![x](javascript:alert(1))",
  "![x][y]\n\n[y]: https://evil.example/pixel.png",
  "<javascript:alert(1)>",
  "- <img src=x onerror=alert(1)>\n\n> <b onclick=x>y</b>",
  "| <img src=x onerror=alert(1)> |\n|---|\n| x |",
  '[x](https://a.example "\\" onmouseover=alert(1) ")',
];

test("hostile text leads to no element or attribute that is not on the list", () => {
  const NAMES = new Set(["p", "a", "ul", "li", "blockquote", "div", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "br", "em", "strong"]);
  const ATTRIBUTES = new Set(["href", "target", "rel", "title", "class", "dir", "tabindex"]);
  for (const text of HOSTILE) {
    const { names, attributes } = used(toElements(text));
    for (const name of names) assert.ok(NAMES.has(name), `${text} made <${name}>`);
    for (const [name, value] of attributes) {
      assert.ok(ATTRIBUTES.has(name), `${text} made ${name}=`);
      if (name === "href") assert.match(value, /^(https?:\/\/|mailto:)/, text);
    }
  }
});

test("raw HTML is shown as the text that it is", () => {
  assert.match(shown("<img src=x onerror=alert(1)>"), /‹<img src=x onerror=alert\(1\)>›/);
});

test("links leave in a page of their own, images are links", () => {
  const link = shown("[x](https://example.com/a?b=1&c=2)");
  assert.match(link, /<a href=https:\/\/example.com\/a\?b=1&c=2 target=_blank rel=noopener noreferrer nofollow/);
  assert.match(shown("![cat](https://example.com/cat.png)"), /<a href=https:\/\/example.com\/cat.png [^>]*>‹image: cat›/);
  assert.match(shown("see https://example.com."), /<a href=https:\/\/example.com\/ /);
  assert.match(shown("a@example.com"), /<a href=mailto:a@example.com /);
});

test("addresses that are not for readers are none", () => {
  for (const href of ["javascript:1", " java\tscript:1", "\u0001javascript:1", "data:x", "file:///etc/passwd", "blob:x", "/x", "x", "", null, "https://", "http:evil"]) {
    assert.equal(safeHref(href), null, String(href));
  }
  assert.equal(safeHref("HTTPS://Example.com"), "https://example.com/");
});

test("a huge or deeply nested text is shown and does not take long", () => {
  const started = performance.now();
  assert.match(shown("x".repeat(MAX_FORMATTED_CHARS + 1)), /^<pre class=plain>/);
  shown("> ".repeat(2_000) + "x");
  shown("*".repeat(20_000));
  shown("[".repeat(20_000));
  shown("- ".repeat(2_000) + "x");
  assert.ok(performance.now() - started < 20_000);
});

test("an answer that grows is what it is when it is whole, and its beginning is not made again", () => {
  const answer = [
    "# Title\n\nA paragraph with **bold** and `code`,\ngoing on.\n\n- one\n- two\n\n  more of two\n\n- three\n\n",
    "1. first\n\n2. second\n\n```js\nlet x = 1;\n\n// - no list\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\nlazy\n\n",
    "Setext\n===\n\n    indented\n\n    more\n\n<b>raw</b>\n\n***\n\n* star\n+ plus\n\nThe end.\n",
  ].join("");
  for (const step of [1, 3, 7, 40]) {
    let now = null;
    for (let at = 0; at <= answer.length; at += step) {
      const text = answer.slice(0, at);
      now = grown(now, text);
      assert.equal(drawn(now.nodes.filter((one) => one !== null)), shown(text), `after ${at} characters`);
    }
  }
  const first = grown(null, answer);
  const more = grown(first, `${answer}\nAnd more.\n`);
  assert.equal(more.nodes[0], first.nodes[0], "the same object is not drawn again");
  const referring = "[a][x]\n\nb\n\nc\n\nd\n\ne\n\n[x]: https://a.example\n";
  assert.equal(drawn(grown(grown(null, referring.slice(0, 20)), referring).nodes.filter(Boolean)), shown(referring));
});
