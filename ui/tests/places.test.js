import assert from "node:assert/strict";
import { test } from "node:test";
import { placed } from "../src/pages/room/places.js";

const named = (...names) => names.map((name) => ({ name }));
const names = (all) => all.map((one) => one.name);

test("who crashed keeps its place, also while it is away", () => {
  const before = ["adder", "chatbot", "helper"];
  assert.deepEqual(names(placed(named("adder", "helper", "chatbot"), before)), before);
  assert.deepEqual(names(placed(named("chatbot", "adder", "helper"), before)), before);
});

test("who is new stands where it comes, several of one name stay together", () => {
  assert.deepEqual(names(placed(named("a", "b", "c"), [])), ["a", "b", "c"]);
  assert.deepEqual(names(placed(named("a", "new", "b"), ["a", "b"])), ["a", "new", "b"]);
  assert.deepEqual(names(placed(named("b", "a", "a"), ["a", "b"])), ["a", "a", "b"]);
});
