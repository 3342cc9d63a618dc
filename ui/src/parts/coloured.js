/** Source text in colours, as far as a line alone tells: comments, strings, numbers, words of the language. */
import { html } from "../core/html.js";

const STRING = `(?<string>[rbfuRBFU]{0,2}(?:"""|'''|"(?:[^"\\\\\\n]|\\\\.)*"?|'(?:[^'\\\\\\n]|\\\\.)*'?))`;
const NUMBER = "(?<number>\\b\\d[\\w.]*\\b)";
const words = (text) => `(?<keyword>\\b(?:${text.trim().split(/\s+/).join("|")})\\b)`;
const PYTHON = words(`False None True and as assert async await break case class continue def del elif else except finally for from
  global if import in is lambda match nonlocal not or pass raise return try while with yield`);
const BRACES = words(`abstract async await boolean break case catch char class const continue default defer do double else enum export
  extends false final finally float fn for from func function go if impl implements import in int interface let long match mod mut
  new nil null package private protected pub public return self static struct super switch this throw throws true try type
  typeof undefined use var void while yield`);
const SHELL = words("case do done elif else esac exit export fi for function if in local return then until while");
const SQL = "(?<keyword>\\b(?:select|from|where|and|or|not|insert|into|values|update|set|delete|create|table|index|drop|alter|join|left|right|inner|outer|on|group|by|order|limit|as|null|primary|key|begin|commit|with|having|union|distinct)\\b)";

const GRAMMARS = {
  python: new RegExp(`(?<comment>#.*$)|${STRING}|${PYTHON}|${NUMBER}|(?<decorator>^\\s*@[\\w.]+)`, "gm"),
  braces: new RegExp(`(?<comment>\\/\\/.*$|\\/\\*[^]*?(?:\\*\\/|$))|(?<string>"(?:[^"\\\\\\n]|\\\\.)*"?|'(?:[^'\\\\\\n]|\\\\.)*'?|\`(?:[^\`\\\\]|\\\\.)*\`?)|${BRACES}|${NUMBER}`, "gm"),
  shell: new RegExp(`(?<comment>(?:^|\\s)#.*$)|${STRING}|${SHELL}|${NUMBER}`, "gm"),
  sql: new RegExp(`(?<comment>--.*$)|${STRING}|${SQL}|${NUMBER}`, "gim"),
};
const LANGUAGES = {
  python: "python py python3 pycon pyi",
  braces: "js javascript jsx mjs ts typescript tsx json json5 java c h cpp c++ cs csharp go rust rs kotlin kt swift php css",
  shell: "sh bash shell zsh console yaml yml toml ini dockerfile makefile",
  sql: "sql sqlite postgresql postgres mysql",
};
const GRAMMAR_OF = new Map(Object.entries(LANGUAGES).flatMap(([grammar, names]) => names.split(" ").map((name) => [name, GRAMMARS[grammar]])));
/** Longer texts are shown without. */
const MAX_CHARS = 20_000;

/** Text in the colours of a language; as it is where the language is not known.  @returns {any[]|string} */
export function coloured(text, language = "python") {
  const grammar = GRAMMAR_OF.get(language.toLowerCase());
  if (!grammar || text.length > MAX_CHARS) return text;
  const parts = [];
  let done = 0;
  for (const found of text.matchAll(grammar)) {
    if (!found[0]) continue;
    const [kind] = Object.entries(found.groups).find(([, value]) => value !== undefined);
    if (found.index > done) parts.push(text.slice(done, found.index));
    parts.push(html`<span class=${`py-${kind}`}>${found[0]}</span>`);
    done = found.index + found[0].length;
  }
  if (done < text.length) parts.push(text.slice(done));
  return parts.length ? parts : " ";
}
