import assert from "node:assert/strict";
import { test } from "node:test";
import { grouped, searchFor } from "../src/pages/sessions/groups.js";
import { fits } from "../src/pages/session/rows.js";

const row = (room, more = {}) => ({ id: "s", state: "ready", room, identity: "chatbot", endpoint: "/chat", bundle: "chat", restart: {}, exit: null, cpu_share: 0.5, rss_bytes: 10, ...more });

test("sessions are counted by what they have in common", () => {
  const dead = { exit: { reason: "signal", message: "" } };
  const rows = [row("a"), row("a"), row("b", dead), row(null)];
  assert.deepEqual(grouped(rows, "room"), [
    { value: "a", all: 2, running: 2, crashed: 0, cpu: 1, memory: 20 },
    { value: "", all: 1, running: 1, crashed: 0, cpu: 0.5, memory: 10 },
    { value: "b", all: 1, running: 0, crashed: 1, cpu: 0, memory: 0 },
  ]);
  assert.deepEqual(grouped(rows, "reason").map((one) => [one.value, one.all]), [["", 3], ["signal", 1]]);
});

test("a group is found again by its search", () => {
  const one = row("my room");
  assert.ok(fits(one, searchFor("room", "my room")));
  assert.ok(!fits(row("your room"), searchFor("room", "my room")));
});
