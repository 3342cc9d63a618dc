import assert from "node:assert/strict";
import test from "node:test";
import { stepsOver } from "../src/parts/axis.js";
import { goingOn } from "../src/pages/session/points.js";
import { shares } from "../src/pages/session/hottest.js";
import { cameFromOutside } from "../src/pages/session/replay.js";

test("a curve ends with what is told beside it", () => {
  const curve = { t: [1, 20], cpu: [0.5, 0.007], rss: [10, 10] };
  const row = { uptime_s: 40, cpu_share: 0, rss_bytes: 12 };
  assert.deepEqual(goingOn(curve, row), { t: [1, 20, 40], cpu: [0.5, 0.007, 0], rss: [10, 10, 12] });
  assert.deepEqual(goingOn(curve, { ...row, uptime_s: 20 }), { t: [1, 20], cpu: [0.5, 0], rss: [10, 12] });
  assert.equal(goingOn(curve, { ...row, exit: {} }), curve);
});

test("shares of a profile come to a whole, however many tasks waited", () => {
  const frames = [{ function: "a", file: "a.py", line: 1 }, { function: "b", file: "b.py", line: 2 }];
  const stacks = [
    { kind: "waiting", root: "task 1", frames: [0], weight: 100 },
    { kind: "waiting", root: "task 2", frames: [0], weight: 100 },
    { kind: "waiting", root: "task 3", frames: [1], weight: 50 },
    { kind: "running", root: "main", frames: [1], weight: 9 },
  ];
  const { rows, whole } = shares({ frames, stacks, samples: 100 }, "waiting");
  assert.deepEqual([whole, rows.map((row) => row.weight / whole)], [250, [0.8, 0.2]]);
});

test("a signal that somebody sent is not brought about by a call", () => {
  const exit = { reason: "signal", signal: 11 };
  assert.equal(cameFromOutside({ exit, sentence: "SIGSEGV (signal 11) came while it waited for messages: most likely sent from outside." }), true);
  assert.equal(cameFromOutside({ exit, sentence: "Segmentation fault in native code (signal 11, SIGSEGV)." }), false);
  assert.equal(cameFromOutside(null), false);
});

test("an axis of days has no step below a day", () => {
  assert.equal(stepsOver(7 * 86400)[0], 86400);
  assert.equal(stepsOver(86400)[0], 60);
  assert.equal(stepsOver(60)[0], 1);
});
