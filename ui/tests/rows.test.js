import assert from "node:assert/strict";
import { test } from "node:test";
import { now } from "../src/core/live.js";
import { arranged, budgets, crashed, fits, tone, uptime, why } from "../src/pages/session/rows.js";

const NOW = Date.parse("2026-11-22T10:00:00Z");
now.value = NOW;

const row = (more = {}) => ({
  id: "s_7Q4M2XKB",
  state: "ready",
  identity: "chatbot",
  room: "demo",
  endpoint: "/chat",
  bundle: "chat",
  code_generation: 2,
  attempt: 3,
  accepted_at: "2026-11-22T09:00:00Z",
  restart: { policy: "on_failure", at: null, last_exit: null },
  exit: null,
  ...more,
});
const ended = (reason, at = "2026-11-22T09:59:30Z") => ({ reason, at, message: "division by zero" });

test("a search looks at room, identity, state, reason and generation, all words of it", () => {
  for (const query of ["demo", "CHATBOT ready", "room:demo", "gen 2", "gen:2 identity:chat", "s_7Q4", "code generation 2", "attempt 3", "attempt:3", "state:ready"]) assert.ok(fits(row(), query), query);
  for (const query of ["gen 1", "gen 3", "attempt 2", "gen:20", "room:chatbot", "demo nobody", "state:crashed"]) assert.ok(!fits(row(), query), query);
  const gone = row({ state: "exited", exit: ended("agent_error") });
  for (const query of ["crashed", "reason:agent_error", "agent error", "division"]) assert.ok(fits(gone, query), query);
  assert.ok(fits(row(), "http:demo") === false, "a colon alone makes no field");
});

test("a session that crashed keeps its place and its colour for a while, also when it runs again", () => {
  const fresh = row({ id: "fresh", state: "exited", exit: ended("agent_error"), accepted_at: "2026-11-22T08:00:00Z" });
  const old = row({ id: "old", state: "exited", exit: ended("agent_error", "2026-11-22T08:30:00Z"), accepted_at: "2026-11-22T08:10:00Z" });
  const stopped = row({ id: "stopped", state: "exited", exit: ended("stopped"), accepted_at: "2026-11-22T09:59:00Z" });
  assert.deepEqual(
    arranged([stopped, old, fresh, row({ id: "runs" })]).map((one) => one.id),
    ["runs", "fresh", "stopped", "old"],
  );
  assert.deepEqual([fresh, old, stopped, row()].map(tone), ["bad", "bad", "idle", ""]);
  const again = row({ restart: { policy: "on_failure", at: null, last_exit: ended("signal") } });
  assert.equal(tone(again), "bad");
  assert.match(why(again), /^Division by zero; it was started again$/);
  assert.equal(tone(row({ restart: { last_exit: ended("signal", "2026-11-22T09:00:00Z") } })), "", "an hour later");
  assert.equal(why(fresh), "Division by zero", "a sentence begins with a capital");
});

test("a session that hangs says so, for as long as that is news", () => {
  const hangs = row({ warned: { kind: "hang", at: "2026-11-22T09:59:50Z", message: "is busy without a break" } });
  assert.equal(why(hangs), "Is busy without a break");
  assert.ok(fits(hangs, "state:hangs"));
  assert.equal(why(row({ warned: { ...hangs.warned, at: "2026-11-22T09:58:00Z" } })), "");
});

test("the fullest budget comes first, and shared pages count in part", () => {
  const of = budgets(row({ limits: { memory_bytes: 100, pids: 10 }, rss_bytes: 90, pss_bytes: 20, threads: 5, fds: 3 }));
  assert.deepEqual(of.map((one) => [one.name, one.share]), [["threads", 0.5], ["share of memory", 0.2]]);
  assert.deepEqual(budgets(row()), []);
});

test("time goes on between two reports of a session, until it ends", () => {
  assert.equal(uptime(row({ uptime_s: 5, pid: 1, seen_at: NOW - 3000 })), 8);
  assert.equal(uptime(row({ uptime_s: 5, pid: 1, seen_at: NOW - 3000, exit: ended("stopped") })), 5);
});

test("a session that crashed and was stopped then has crashed", () => {
  const stopped = row({ state: "exited", exit: ended("stopped"), restart: { policy: "on_failure", at: null, last_exit: ended("signal") } });
  assert.ok(crashed(stopped));
  assert.ok(crashed(row({ exit: ended("agent_error") })));
  assert.ok(!crashed(row({ exit: ended("stopped") })));
  assert.ok(!crashed(row()));
});

test("in a storm those that crashed stand first, for a minute", () => {
  const healthy = [1, 2, 3].map((n) => row({ id: `ok${n}`, accepted_at: "2026-11-22T09:59:59Z" }));
  const dead = (at, count) => Array.from({ length: count }, (_, n) => row({ id: `x${n}`, exit: ended("signal", at) }));
  const first = (rows) => arranged(rows).slice(0, 5).every((one) => one.exit);
  assert.ok(first([...healthy, ...dead("2026-11-22T09:59:30Z", 5)]));
  assert.ok(!first([...healthy, ...dead("2026-11-22T09:59:30Z", 4)]), "a few are no storm");
  assert.ok(!first([...healthy, ...dead("2026-11-22T09:58:30Z", 5)]), "an hour later they are old");
});
