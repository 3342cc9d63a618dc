import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomClient } from "../src/room/client.js";
import { ThreadTitles, firstWords } from "../src/room/thread_titles.js";
import { FakeDocuments } from "./fake_documents.js";
import { FakeServer, until } from "./fake_room.js";

test("a title is the first words of what was said", () => {
  assert.equal(firstWords("Hello there"), "Hello there");
  assert.equal(firstWords("## What **is**\nthis?"), "What is");
  assert.equal(firstWords("> # Is a_name > 2 * 3 in <b>C#</b>, __or__ `less`?"), "Is a_name > 2 * 3 in <b>C#</b>, or less?");
  assert.equal(firstWords("```py\ncode\n``` explain it"), "explain it");
  assert.equal(firstWords("a very long question about everything that one could ever want to know"), "a very long question about everything that one…");
  assert.equal(firstWords("x".repeat(60)), `${"x".repeat(48)}…`);
});

test("titles are everybody's: the first words, what somebody wrote, or gone", async () => {
  const documents = new FakeDocuments();
  const server = new FakeServer((socket, message) => documents.handle(socket, message));
  const [ada, bob] = [0, 1].map(() => new RoomClient(server.options()));
  const [of, seen] = [ada, bob].map((room) => new ThreadTitles(room, "chatbot"));
  ada.connect();
  bob.connect();
  await until(() => of.isReady.value && seen.isReady.value);
  of.nameBy("a.thread", "Where is it?");
  of.nameBy("a.thread", "another");
  await until(() => seen.all.value.get("a.thread")?.title === "Where is it?");
  seen.rename("a.thread", "  The   kettle ");
  await until(() => of.all.value.get("a.thread")?.title === "The kettle");
  of.remove("a.thread");
  await until(() => seen.all.value.get("a.thread")?.isDeleted);
  seen.nameBy("a.thread", "Begun anew");
  await until(() => of.all.value.get("a.thread")?.title === "Begun anew");
  for (let n = 0; n < 1_100; n++) of.rename(`t${n}.thread`, "x");
  assert.ok(of.thread.entries.length <= 1_000, "what it holds is bounded");
  await Promise.all([of.close(), seen.close()]);
  ada.close();
  bob.close();
});
