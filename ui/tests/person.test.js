import assert from "node:assert/strict";
import { test } from "node:test";

const kept = new Map([["studio.name", "user"]]);
globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
const { findName, me, personName } = await import("../src/room/person.js");

const asked = (name) => {
  me.value = null;
  globalThis.fetch = async () => ({ ok: true, json: async () => ({ name }) });
};

test("the owner keeps the name that everybody had, a guest gets one of his own", async () => {
  asked("user");
  await findName();
  assert.equal(personName.value, "user");
  asked("");
  await findName();
  assert.match(personName.value, /^guest-/);
  assert.equal(kept.get("studio.name"), personName.value);
});

test("a name that was chosen stays", async () => {
  personName.value = "Ada";
  asked("");
  await findName();
  assert.equal(personName.value, "Ada");
});
