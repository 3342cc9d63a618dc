import assert from "node:assert/strict";
import test from "node:test";
import { revisionsRun, serviceOf, shortPath, shortPaths } from "../src/core/endpoints.js";

const ID = "2a105853-bb85-4aab-bfe3-8f5f7170cbca";
const OTHER = "f354d250-d7c0-4ff3-afbf-c65fa9814aae";

test("what a deployed service serves is called by its name", () => {
  assert.equal(shortPath(`/deployed/${ID}/chat/in`, "weather@e8bf7182"), "weather/chat/in");
  assert.equal(shortPath("/chat", "chat"), "/chat");
  assert.equal(shortPath(`/deployed/${ID}/chat`), "2a105853…/chat", "one that nobody serves any more");
  assert.equal(shortPath(undefined), "");
  assert.deepEqual([serviceOf(`/deployed/${ID}/chat`), serviceOf("/chat"), serviceOf(undefined)], [ID, null, null]);
});

test("services of one name are told apart where they stand side by side", () => {
  const bundles = new Map([[`/deployed/${ID}/chat`, "bot@1"], [`/deployed/${OTHER}/chat`, "bot@2"], ["/chat", "chat"]]);
  const names = [...shortPaths([...bundles.keys(), "other"], (path) => bundles.get(path)).values()];
  assert.deepEqual(names, ["bot/chat (2a105853)", "bot/chat (f354d250)", "/chat", "other"]);
});

test("sessions of a room are counted by the revision that they run", () => {
  const row = (revision, more = {}) => ({ endpoint: `/deployed/${ID}/chat`, room: "lab", revision, exit: null, ...more });
  const rows = [row(1), row(3), row(3), row(2, { exit: {} }), row(2, { room: "other" }), row(2, { endpoint: "/chat" }), row(0)];
  assert.deepEqual(revisionsRun(rows, ID, "lab"), [{ revision: 3, count: 2 }, { revision: 1, count: 1 }, { revision: 0, count: 1 }]);
});
