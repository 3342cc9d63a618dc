import assert from "node:assert/strict";
import { test } from "node:test";
import { next, siblings } from "../src/pages/crash/aftermath.js";
import { columns } from "../src/pages/crash/columns.js";
import { issue } from "../src/pages/crash/issue.js";
import { replayOf, shortFile, shortPlace, visible } from "../src/pages/crash/words.js";
import { limitRows } from "../src/pages/services/limits.js";
import { yaml } from "../src/pages/services/yaml.js";

const AT = "2026-11-22T09:14:03.000Z";
const code = { file: "/srv/agents/chat/main.py", code_generation: 2, sha256: "ab".repeat(32), bundle: "chat" };
const report = {
  session: "s_1", attempt: 1, sentence: "It | broke.\u001b[31m", cure: "Mend the line above.", endpoint: "/chat", identity: "chatbot", room: "r",
  at: AT, after_s: 2, where: "/srv/agents/chat/main.py:4 in f", code, fingerprint: "0123456789ab", frames: [], log: [], messages: [], traceback: "a ``` b",
  excerpt: { file: "/srv/agents/chat/main.py", first: 3, marked: 4, lines: ["def f():", "    raise X"] }, native: "", use: {}, peak_rss_bytes: 0, cpu_s: 0,
};

test("what a program wrote is seen, and nothing in it acts", () => {
  assert.equal(visible("\u001b[31mred\u001b[0m \u202eevil\u0000"), "red ⟨U+202E⟩evil⟨U+0000⟩");
  assert.equal(visible("a\n\tb"), "a\n\tb");
});

test("files are named below their bundle, their package, their library", () => {
  assert.equal(shortFile("/srv/agents/chat/tools/calc.py", code), "tools/calc.py");
  assert.equal(shortFile("/v/lib/python3.12/site-packages/httpx/_client.py", code), "httpx/_client.py");
  assert.equal(shortFile("/usr/lib/python3.12/asyncio/runners.py", code), "asyncio/runners.py");
  assert.equal(shortPlace("/srv/agents/chat/main.py:41 in start", code), "main.py:41 in start");
});

test("an issue says all of it, and its fences hold", () => {
  const text = issue(report, { version: "1.0", python: "3.13" });
  assert.match(text, /^## It \| broke\.\n/);
  assert.match(text, /^→ {4}4 {2} {4}raise X$/m);
  assert.match(text, /^````text\na ``` b\n````$/m);
  assert.match(text, /\| Bulkhead \| 1\.0, Python 3\.13 \|/);
});

test("what happened next", () => {
  const worker = { state: "ready", attempt: 1, exit: null, restart: { policy: "on_failure", at: null } };
  assert.equal(next(report, { ...worker, attempt: 2 }, 0).tone, "ok");
  assert.match(next(report, { ...worker, state: "starting", restart: { at: "2026-11-22T09:14:05.000Z" } }, Date.parse(AT)).text, /again in 2 s/);
  const exit = { reason: "agent_error", message: "it raised; given up after 5 restarts within 60 s", at: AT };
  assert.equal(next(report, { ...worker, exit }, 0).text, "It was given up after 5 restarts within 60 s.");
  assert.match(next(report, null, 0).text, /nothing of this session/);
});

test("siblings are those that ran at that instant", () => {
  const before = "2026-11-22T09:14:00.000Z";
  const row = (id, more) => ({ id, accepted_at: before, exit: null, restart: {}, ...more });
  const rows = [
    row("s_1"),
    row("s_2"),
    row("s_3", { accepted_at: "2026-11-22T09:14:04.000Z" }),
    row("s_4", { exit: { at: "2026-11-22T09:14:01.000Z" } }),
  ];
  assert.match(siblings(report, rows).text, /^1 other session ran beside it and went on untouched\.$/);
  const fell = row("s_5", { crashed: true, exit: { at: "2026-11-22T09:14:03.400Z" } });
  assert.deepEqual(siblings(report, [...rows, fell]).fell, [fell]);
  assert.equal(siblings(report, [row("s_1")]), null);
});

test("curves leave out what was read too late", () => {
  const point = (t_s, rss_bytes, cpu_s) => ({ t_s, rss_bytes, cpu_s, pss_bytes: 0, processes: 1 });
  const drawn = columns([point(0, 10, 0), point(1, 20, 0.5), point(1.02, 20, 0.5), point(1.1, 0, 0.5)]);
  assert.deepEqual(drawn.t, [0, 1, 1.02]);
  assert.deepEqual(drawn.cpu[0].values, [0, 0.5, 0.5]);
  assert.equal(columns([point(0, 10, 0)]), null);
});

test("a manifest reads back as it was", () => {
  const text = yaml({ version: "v1", name: "<YOURS>", yes: "no", ports: [{ num: 80, paths: ["/a", "x: y"] }], none: [], image: "" });
  assert.equal(text, 'version: v1\nname: "<YOURS>"\n"yes": "no"\nports:\n  - num: 80\n    paths:\n      - /a\n      - "x: y"\nnone: []\nimage: ""\n');
});

test("limits have units and a source", () => {
  assert.deepEqual(limitRows({ memory_bytes: 536870912, timeout_s: 1800 }, { memory_bytes: "default" }), [["memory", "512 MiB", "default"], ["longest life", "30m 00s", ""]]);
});

test("only a session of known code can be called again", () => {
  assert.equal(replayOf({ session: "s_1", code: { file: "/a/main.py" } }), "bulkhead replay s_1 --pdb");
  assert.equal(replayOf({ session: "s_1", code: { file: "" } }), "");
  assert.equal(replayOf({ session: "0f3a9c", code: { file: "", bundle: "an-image:1" } }), "", "a container's");
});
