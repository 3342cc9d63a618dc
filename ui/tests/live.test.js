import assert from "node:assert/strict";
import { mock, test } from "node:test";
import * as live from "../src/core/live.js";

/** The browser as far as the connection needs it. */
const sources = [];
class FakeEventSource extends EventTarget {
  static CLOSED = 2;
  constructor(url) {
    super();
    Object.assign(this, { url, readyState: 1 });
    sources.push(this);
  }
  close() {
    this.readyState = 2;
  }
  say(kind, data) {
    this.dispatchEvent(Object.assign(new Event(kind), { data: JSON.stringify(data) }));
  }
}
const page = Object.assign(new EventTarget(), { hidden: false });
Object.assign(globalThis, { EventSource: FakeEventSource, document: page, addEventListener() {}, fetch: async () => ({ ok: true, json: async () => ({ access: "local" }) }) });

const row = (id, more = {}) => ({ id, state: "ready", exit: null, rss_bytes: 1, spark: { cpu: [0.1], rss: [1] }, ...more });
const figures = (at_ms, more = {}) => ({ at_ms, sessions: 1, starts_per_min: 0, crashes_per_min: 0, cpu_by_endpoint: { "/chat": 1 }, memory_by_endpoint: { "/chat": 5 }, loop_lag_ms: 1, alerts: [], ...more });

function look(hidden) {
  page.hidden = hidden;
  page.dispatchEvent(new Event("visibilitychange"));
}

mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
live.start();

test("what comes is shown all together, four times a second", () => {
  const source = sources.at(-1);
  let changes = 0;
  const stop = live.sessions.subscribe(() => (changes += 1));
  changes = 0;
  source.say("hello", { now_ms: Date.now(), version: "1" });
  source.say("sessions", { rows: [row("a"), row("b")] });
  for (let i = 0; i < 50; i += 1) source.say("session", row("a", { state: "stopping", spark: undefined }));
  assert.equal(changes, 0);
  mock.timers.tick(250);
  assert.equal(changes, 1);
  assert.deepEqual(live.sessions.value.map((one) => [one.id, one.state]), [["a", "stopping"], ["b", "ready"]]);
  assert.deepEqual(live.row("a").spark.cpu, [0.1], "a report without a curve keeps the curve");
  source.say("samples", { at_ms: 0, of: { a: [0.5, 7, 1, 9.5, 6, 3, 12], unknown: [1, 1, 1, 1, 1, 1, 1] } });
  source.say("gone", { id: "b" });
  mock.timers.tick(250);
  assert.equal(changes, 2);
  assert.deepEqual(live.sessions.value.map((one) => [one.id, one.cpu_share, one.rss_bytes]), [["a", 0.5, 7]]);
  const { cpu_s, pss_bytes, threads, fds } = live.row("a");
  assert.deepEqual([cpu_s, pss_bytes, threads, fds], [9.5, 6, 3, 12], "totals and budgets are as fresh as the curve");
  assert.equal(live.connection.value, "live");
  stop();
});

test("a warning stays with its session, not with the next attempt of it", () => {
  const source = sources.at(-1);
  source.say("session", row("a", { attempt: 1 }));
  source.say("happened", { type: "session.warned", session: "a", kind: "hang", at: "2026-11-22T10:00:00Z", message: "is busy" });
  source.say("session", row("a", { attempt: 1 }));
  assert.equal(live.row("a").warned.message, "is busy");
  source.say("session", row("a", { attempt: 2 }));
  assert.equal(live.row("a").warned, undefined);
});

test("a curve is bounded, and so is the history", () => {
  const source = sources.at(-1);
  for (let i = 0; i < 200; i += 1) source.say("samples", { at_ms: i, of: { a: [i, i, 1, i, i, 1, 1] } });
  assert.equal(live.row("a").spark.cpu.length, 60);
  const past = { at_ms: [0, 30_000, 90_000], sessions: [1, 1, 1], starts: [4, 2, 1], crashes: [0, 1, 0], lag_ms: [1, 1, 1], cpu: { "/chat": [1, 1, 1] }, memory: { "/chat": [5, 5, 5] } };
  source.say("overview", { ...figures(91_000), history: past });
  mock.timers.tick(250);
  assert.deepEqual(live.history.value.starts, [4, 6, 1], "counts of a moment become counts of a minute");
  for (let i = 1; i < 2000; i += 1) source.say("overview", figures(91_000 + i * 1000, i > 1000 ? { cpu_by_endpoint: { "/new": 2 } } : {}));
  mock.timers.tick(250);
  const { at_ms, sessions, cpu } = live.history.value;
  assert.ok(at_ms.length <= 601 && at_ms.at(-1) - at_ms[0] <= 600_000);
  assert.equal(sessions.length, at_ms.length);
  assert.deepEqual(Object.keys(cpu), ["/new"], "an endpoint that used nothing for ten minutes is gone");
  assert.equal(cpu["/new"].length, at_ms.length);
});

test("nothing changes while nobody looks, and the connection is given back", () => {
  const source = sources.at(-1);
  const before = live.sessions.value;
  look(true);
  source.say("session", row("c"));
  mock.timers.tick(1000);
  assert.equal(live.sessions.value, before);
  look(false);
  assert.ok(live.sessions.value.some((one) => one.id === "c"), "all of it is there at once when it is looked at");
  look(true);
  mock.timers.tick(2000);
  assert.equal(source.readyState, 2);
  const opened = sources.length;
  look(false);
  assert.equal(sources.length, opened + 1);
});

test("silence is told, and ends in a new connection", () => {
  const source = sources.at(-1);
  source.say("overview", figures(1));
  assert.equal(live.connection.value, "live");
  mock.timers.tick(6000);
  assert.equal(live.connection.value, "lost");
  mock.timers.tick(8000);
  assert.equal(source.readyState, 2);
  sources.at(-1).say("overview", figures(2));
  assert.equal(live.connection.value, "live");
});

test("a stream that is refused is asked for again, later each time", async () => {
  const refused = async () => {
    const source = sources.at(-1);
    source.readyState = 2;
    source.onerror();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
  };
  await refused();
  assert.equal(live.connection.value, "lost");
  const opened = sources.length;
  mock.timers.tick(500);
  assert.equal(sources.length, opened + 1);
  await refused();
  mock.timers.tick(500);
  assert.equal(sources.length, opened + 1);
  mock.timers.tick(500);
  assert.equal(sources.length, opened + 2);
});
