import assert from "node:assert/strict";
import { test } from "node:test";
import { Storm } from "../src/core/storm.js";

const crash = (session, sentence = "chatbot crashed with SIGSEGV in call_me", reason = "signal") => ({ session, sentence, reason });

test("crashes that come together are one note, which counts sessions and says why", () => {
  const storm = new Storm();
  assert.deepEqual(storm.add(crash("a"), 1_000), { count: 1, text: "" });
  assert.equal(storm.add(crash("b"), 2_000).text, "2 sessions crashed: SIGSEGV.");
  assert.equal(storm.add(crash("b"), 3_000).count, 2, "the same session again");
  assert.equal(storm.add(crash("c", "ValueError: no", "agent_error"), 3_000).text, "3 sessions crashed: SIGSEGV (2), ValueError (1).");
  assert.equal(storm.add(crash("d", "it did not answer", "hang"), 60_000).count, 1, "a minute later is another time");
});

test("what it remembers has a bound", () => {
  const storm = new Storm();
  for (let n = 0; n < 2_000; n++) storm.add(crash(`s${n}`), 1_000 + n);
  assert.equal(storm.seen.length, 500);
});
