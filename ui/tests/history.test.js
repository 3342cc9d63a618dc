import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomClient } from "../src/room/client.js";
import { byTurn, factsByTime } from "../src/room/history.js";
import { Runs, runsOf } from "../src/room/runs.js";
import { exchangeOf, waterfall } from "../src/room/waterfall.js";
import { FakeServer, until } from "./fake_room.js";

let last = 0;
const fact = (at, type, data = {}) => ({ id: (last += 1), at, type: `llm.${type}`, data: { turn_id: "t", ...data }, by: "chatbot", peer: "p" });

test("a turn is a waterfall of waiting, model, tools and what was streamed", () => {
  const facts = [
    fact(1_100, "turn", { waited_ms: 100 }),
    fact(1_110, "model_request", { model: "m", round: 1 }),
    fact(1_200, "model_answer", { round: 1 }),
    fact(1_210, "tool_call", { name: "weather", call_id: "c" }),
    fact(1_500, "tool_result", { name: "weather", call_id: "c" }),
    fact(1_510, "model_request", { model: "m", round: 2 }),
    fact(1_600, "first_words", { round: 2 }),
    fact(1_900, "model_answer", { round: 2 }),
    fact(1_910, "ended", { ended: "done" }),
  ];
  const { tookMs, ended, steps } = waterfall(facts.toReversed());
  assert.deepEqual([tookMs, ended], [910, "done"]);
  assert.deepEqual(
    steps.map((one) => [one.kind, one.name, one.from, one.to, one.isOpen]),
    [
      ["wait", "Waited", 0, 100, false],
      ["model", "m", 110, 200, false],
      ["tool", "weather", 210, 500, false],
      ["model", "m", 510, 600, false],
      ["stream", "Answer", 600, 900, false],
    ],
  );
  assert.deepEqual(exchangeOf(steps[3]), [facts[5].id, facts[7].id], "what was asked and what was answered");
});

test("what never ended is open, and nothing known is nothing", () => {
  const { ended, steps } = waterfall([fact(1_000, "turn"), fact(1_010, "tool_call", { name: "slow", call_id: "c" }), fact(1_400, "tool_call", { name: "other", call_id: "d" })]);
  assert.equal(ended, "");
  assert.deepEqual(steps.map((one) => [one.name, one.isOpen, one.to]), [["slow", true, 400], ["other", true, 400]]);
  assert.deepEqual(waterfall([]).steps, []);
});

test("a turn about which nothing new is known is the same object", () => {
  const facts = [fact(1, "turn"), fact(2, "ended")];
  const before = byTurn(facts);
  assert.equal(byTurn(facts, before).get("t"), before.get("t"));
  assert.notEqual(byTurn([...facts, fact(3, "usage")], before).get("t"), before.get("t"));
});

const entry = (id, at, type, data) => ({ id, at, type: `run.${type}`, data, by: "ada", peer: "p" });

test("runs are read from the journal, newest first", () => {
  const runs = runsOf([
    entry(1, 1_000, "started", { run: "a", kind: "task", name: "helper", tool: "", input: { n: 1 } }),
    entry(2, 1_500, "ended", { run: "a", result: { type: "json", json: 7 } }),
    entry(3, 2_000, "started", { run: "b", kind: "tool", name: "math", tool: "add", input: { type: "json", json: { a: 1 } } }),
    entry(4, 3_000, "ended", { run: "gone", result: {} }),
  ]);
  assert.deepEqual(runs.map((one) => [one.run, one.by, one.tookMs]), [["b", "ada", null], ["a", "ada", 500]]);
  assert.deepEqual(runs[0].input, { a: 1 });
  assert.deepEqual(runs[1].content, { type: "json", json: 7 });
});

test("a run of ours is one run, whatever the room tells of it, and can be stopped", async () => {
  const asked = [];
  const server = new FakeServer((socket, message) => {
    asked.push(message);
    if (message.type === "developer.history") socket.answer(message, { type: "json", json: { entries: [] } });
    return message.type === "agent.ask" || message.type === "developer.history" ? true : undefined;
  });
  const room = new RoomClient(server.options());
  const runs = new Runs(room);
  room.connect();
  await until(() => room.state === "open");
  const over = runs.start({ kind: "task", name: "helper", input: { n: 1 } }, (input, signal) => room.ask("agent.ask", { agent: "helper", arguments: input }, undefined, { signal }));
  await until(() => asked.some((one) => one.type === "agent.ask"));
  server.socket.push("developer.log", { type: "run.started", data: { run: "r", kind: "task", name: "helper", tool: "", caller: room.selfId, by: "ada", input: {} } });
  server.socket.push("developer.log", { type: "run.started", data: { run: "x", kind: "task", name: "helper", tool: "", caller: "bob-1", by: "bob", input: {} } });
  await until(() => runs.all.value.length === 2);
  assert.deepEqual(runs.all.value.map((one) => [one.run, one.by]), [["x", "bob"], ["r", "ada"]]);
  runs.stop(runs.all.value[1].key);
  assert.equal((await over).error, "You stopped it.");
  await until(() => asked.some((one) => one.type === "room.cancel_request"));
  const request = asked.find((one) => one.type === "agent.ask").id;
  assert.equal(asked.find((one) => one.type === "room.cancel_request").header.request_id, request);
  server.socket.push("developer.log", { type: "run.ended", data: { run: "x", error: "no" } });
  await until(() => runs.all.value[0].error === "no");
});

test("answers of an agent that names no turns have the steps of the turn in which they were written", () => {
  const step = (turn_id, kind, began_ms, ended_ms, more = {}) => ({ ...fact(9_999, "step"), data: { turn_id, path: "p", kind, began_ms, ended_ms, ...more } });
  const facts = [
    step("a", "model", 1_000, 1_400, { model: "m", output_tokens: 7, first_words_s: 0.1 }),
    step("a", "tool", 1_400, 1_900, { name: "tide", call_id: "c" }),
    step("a", "turn", 1_000, 2_000),
    step("b", "model", 9_000, 9_500, { model: "m" }),
    step("b", "turn", 9_000, 9_500),
  ];
  const said = (id, at, author = "bot") => ({ id, kind: "message", author, turnId: "", at: new Date(at).toISOString() });
  const entries = [said("q", 900, "ada"), said("1", 1_200), said("2", 1_950), said("q2", 8_000, "ada"), said("3", 9_400), said("aside", 60_000)];
  const turns = byTurn(facts);
  const found = factsByTime(entries, turns, "bot");
  assert.deepEqual([...found.keys()], ["2", "3"], "the last one of each turn");
  assert.equal(factsByTime(entries, turns, "bot").get("2"), found.get("2"), "nothing new, no other object");
  const told = waterfall(found.get("2"));
  assert.deepEqual([told.tookMs, told.ended], [1_000, "done"]);
  assert.deepEqual(told.steps.map((one) => [one.kind, one.from, one.to]), [["model", 0, 100], ["stream", 100, 400], ["tool", 400, 900]]);
  assert.deepEqual(told.steps.flatMap(exchangeOf), [], "what was asked is not told");
});
