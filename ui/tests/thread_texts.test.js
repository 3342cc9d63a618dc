import assert from "node:assert/strict";
import { test } from "node:test";
import { around, readTexts, textOf } from "../src/room/thread_texts.js";

const described = { thread: { messages: [{ message: { text: "How far is Oslo?", id: "1" } }, { message: { text: "Five miles", more: [{ text: "or so" }] } }, { event: { text: 7 } }] } };

test("what was said is found wherever it stands in a document", () => {
  assert.deepEqual(textOf(described), ["How far is Oslo?", "Five miles", "or so"]);
  const deep = Array.from({ length: 40 }).reduce((inner) => ({ inner }), { text: "too deep" });
  assert.deepEqual(textOf(deep), []);
});

test("the place of the first word is shown with what is around it", () => {
  assert.equal(around("How far is Oslo?", "oslo"), "How far is Oslo?");
  assert.equal(around(`${"a ".repeat(60)}Oslo ${"b ".repeat(60)}`, "miles oslo").includes("Oslo"), true);
  assert.equal(around("nothing", "oslo"), "");
});

test("threads are read once, a bounded number of them, and one that is gone is no error", async () => {
  const asked = [];
  const room = { ask: async (kind, { path }) => (asked.push(path), path === "gone" ? Promise.reject(new Error("gone")) : described) };
  const threads = [{ path: "gone", at: 1 }, ...Array.from({ length: 150 }, (_, i) => ({ path: `t${i}`, at: 1 }))];
  const known = new Map();
  await readTexts(room, threads, known, () => true);
  await readTexts(room, threads, known, () => true);
  assert.equal(asked.length, 100);
  assert.equal(known.get("gone").text, "");
  assert.match(known.get("t0").text, /Five miles/);
  await readTexts(room, [{ path: "t0", at: 2 }], known, () => true);
  assert.equal(asked.length, 101, "it was written in since");
});
