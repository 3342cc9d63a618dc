import assert from "node:assert/strict";
import { test } from "node:test";
import { logLine } from "../src/room/log_line.js";

const turn = { path: ".threads/bot/ada.thread", turn_id: "9e50" };

test("an entry is told by what is most telling of it, without ids", () => {
  assert.equal(logLine({ ...turn, name: "convert", output: "3.1 miles" }), "convert · 3.1 miles");
  assert.equal(logLine({ ...turn, model: "offline", tools: ["add", "convert"] }), "offline · add, convert");
  assert.equal(logLine({ ...turn, model: "offline", text: "", calls: [] }), "offline");
  assert.equal(logLine({ ...turn, model: "offline", input_tokens: 490, output_tokens: 22 }), "offline · 490 tokens in, 22 out");
  assert.equal(logLine({ ...turn, ended: "done", chars: 85 }), "ended done · chars 85");
  assert.equal(logLine({ run: "8aef", error: "it does not fit" }), "error it does not fit");
  assert.equal(logLine({ message: "x".repeat(300) }).length, 200);
});
