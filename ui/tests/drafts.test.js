import assert from "node:assert/strict";
import { test } from "node:test";

const kept = new Map([["studio.drafts", '[["r\\na.thread","hello"],["bad"],7]']]);
globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
const { draftOf, keepDraft } = await import("../src/room/drafts.js");

test("what was being written is there again, by room and thread; of very many the newest", () => {
  assert.equal(draftOf("r", "a.thread"), "hello", "nonsense beside it is left out");
  keepDraft("r", "a.thread", "hello");
  assert.equal(draftOf("r", "a.thread"), "hello");
  assert.equal(draftOf("other", "a.thread"), "");
  for (let n = 0; n < 40; n++) keepDraft("r", `${n}.thread`, "x");
  assert.equal(draftOf("r", "a.thread"), "");
  assert.equal(JSON.parse(kept.get("studio.drafts")).length, 30);
  keepDraft("r", "39.thread", "");
  assert.equal(JSON.parse(kept.get("studio.drafts")).length, 29);
});
