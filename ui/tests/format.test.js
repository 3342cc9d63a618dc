import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, count, day, duration, imageName, instant, ms, NONE, number, percent, plural } from "../src/core/format.js";

test("sizes keep three digits and their unit", () => {
  assert.deepEqual([0, 1023, 1024, 43_008, 10_485_760, 104_857_600, 1.5 * 2 ** 30].map(bytes), ["0 B", "1023 B", "1 KiB", "42 KiB", "10 MiB", "100 MiB", "1.5 GiB"]);
  assert.equal(bytes(1023.9 * 1024), "1 MiB", "no 1024 KiB");
  assert.equal(bytes(-2048), "−2 KiB");
});

test("what is not known is a dash, never NaN", () => {
  for (const write of [bytes, percent, count, duration, ms, number]) {
    for (const value of [null, undefined, NaN, Infinity]) assert.equal(write(value), NONE);
  }
  assert.equal(ago("nonsense", 0), NONE);
});

test("shares, counts and lengths of time", () => {
  assert.deepEqual([0, 0.0004, 0.003, 0.0994, 0.0996, 0.973, 4].map(percent), ["0 %", "0 %", "0.3 %", "9.9 %", "10 %", "97 %", "400 %"]);
  assert.equal(count(1234567), "1,234,567");
  assert.deepEqual([plural(1, "session"), plural(2, "session"), plural(2, "process", "processes")], ["1 session", "2 sessions", "2 processes"]);
  assert.deepEqual([0, 0.0004, 0.034, 1.26, 42, 59.96, 242, 7380, 100_000].map(duration), ["0 s", "0.4 ms", "34 ms", "1.3 s", "42 s", "1m 00s", "4m 02s", "2h 03m", "1d 03h"]);
});

test("how long ago, whatever form the time has", () => {
  const now = Date.parse("2026-11-22T10:00:00Z");
  assert.equal(ago("2026-11-22T09:59:59.500Z", now), "just now");
  assert.equal(ago("2026-11-22T09:59:18Z", now), "42 s ago");
  assert.equal(ago(now / 1000 - 600, now), "10 min ago", "in seconds");
  assert.equal(ago(now - 7_200_000, now), "2 h ago", "in milliseconds");
  assert.equal(ago(now + 5000, now), "just now", "a clock that runs ahead");
  assert.equal(instant("2026-11-22T10:00:00Z"), now);
});

test("an image that was deployed is its digest in short, others are as they are", () => {
  assert.equal(imageName(`bulkhead.deployed/greeter@sha256:${"48e9c906f200".padEnd(64, "3")}`), "sha256:48e9c906f200 (deployed)");
  for (const image of ["greeter:1.4", `registry.example/greeter@sha256:${"a".repeat(64)}`]) assert.equal(imageName(image), image);
});
