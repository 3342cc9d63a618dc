import assert from "node:assert/strict";
import { test } from "node:test";
import { isClean, meaning } from "../src/core/ends.js";
import { EXIT_REASONS } from "../src/core/exit_reasons.js";
import { condition } from "../src/parts/badge.js";

const ended = (reason) => condition({ state: "exited", exit: { reason, message: "so it was", at: "2026-11-22T09:14:03Z" } });

test("every reason has a word, a tone that there is, and something to say below its report", () => {
  for (const [reason, row] of Object.entries(EXIT_REASONS)) {
    assert.ok(row.word && row.aftermath, reason);
    assert.ok(["idle", "warn", "bad"].includes(row.tone), reason);
    assert.equal(isClean(reason), row.isClean);
    assert.deepEqual(ended(reason), { tone: row.tone, word: row.word, sentence: "So it was" });
  }
});

test("what did not crash is not called so", () => {
  assert.equal(ended("signal").word, "crashed");
  assert.deepEqual(["deadline", "front_lost", "quarantined"].map((reason) => ended(reason).word), ["timed out", "lost", "parked"]);
});

test("a reason of a newer server counts as one that went wrong", () => {
  assert.deepEqual([isClean("abducted"), meaning("abducted").tone, ended("abducted").word], [false, "bad", "ended"]);
});
