import assert from "node:assert/strict";
import { test } from "node:test";
import { Chat } from "../src/room/chat.js";
import { RoomClient } from "../src/room/client.js";
import { newThread, ownThread, segment } from "../src/room/thread.js";
import { FakeDocuments } from "./fake_documents.js";
import { FakeServer, agent, until } from "./fake_room.js";

const PATH = ".threads/chatbot/ada.thread";

/** A chat with an agent that says `listening` and otherwise what the test makes it say. */
async function chatting(t, { present = true, holdMs } = {}) {
  const documents = new FakeDocuments();
  const told = [];
  const server = new FakeServer((socket, message) => {
    if (documents.handle(socket, message)) return true;
    if (message.type !== "messaging.send") return undefined;
    socket.answer(message);
    told.push(message.header);
    if (message.header.type === "opened") socket.say("bot-1", "listening", { path: message.header.message.path, listening: true });
    return true;
  });
  if (present) server.others = [agent()];
  const room = new RoomClient(server.options());
  const chat = new Chat(room, { agent: "chatbot", path: PATH, holdMs });
  room.connect();
  await until(() => chat.isReady.value, "the thread");
  t.after(async () => {
    await chat.close();
    room.close();
  });
  const bot = {
    say: (type, message) => server.socket.say("bot-1", type, { path: PATH, ...message }),
    write: (attributes) => documents.write(PATH, { author_name: "chatbot", role: "agent", ...attributes }),
  };
  const asked = () => told.filter((one) => one.type === "chat").at(-1)?.message;
  return { chat, room, server, documents, told, bot, asked, turn: () => chat.turns.get(asked().id) };
}

test("an answer streams into the thread, and its turn is over", async (t) => {
  const { chat, documents, told, bot, asked, turn } = await chatting(t);
  await chat.say("hello");
  assert.deepEqual(told.map((one) => one.type), ["opened", "chat"]);
  assert.equal(documents.messages(PATH).get(0).getAttribute("text"), "hello", "the agent finds the message in the thread");
  assert.equal(turn().state, "thinking");
  bot.say("thinking", { thinking: true, turn_id: asked().id });
  const answer = bot.write({ id: "a1", text: "Hi", turn_id: asked().id });
  assert.equal(turn().state, "answering");
  assert.ok(turn().firstMs >= 0);
  const [first] = chat.entries.value;
  answer.setAttribute("text", "Hi there");
  assert.equal(chat.entries.value[1].text, "Hi there");
  assert.equal(chat.entries.value[0], first, "what did not change is the same object");
  bot.say("thinking", { thinking: false, turn_id: asked().id });
  assert.equal(turn().state, "done");
  assert.equal(chat.current.value, null);
  assert.deepEqual(chat.members.value, ["ada", "chatbot"]);
});

test("a turn that gets no answer says so", async (t) => {
  const { chat, bot, asked, turn } = await chatting(t);
  await chat.say("not you");
  bot.say("thinking", { thinking: false, turn_id: asked().id });
  await until(() => turn().state === "unanswered");
  await chat.retry(asked().id);
  assert.equal(asked().text, "chatbot, not you", "asked again it is called by its name");
});

test("who only reads is no member: the agent goes on answering the one who talks", async (t) => {
  const { chat } = await chatting(t);
  assert.deepEqual(chat.members.value, []);
});

test("an agent that says thinking without naming the turn", async (t) => {
  const { chat, bot, turn } = await chatting(t);
  await chat.say("hello");
  bot.say("thinking", { thinking: true });
  bot.write({ id: "a1", text: "Hi" });
  assert.equal(turn().state, "answering");
  bot.say("thinking", { thinking: false });
  assert.equal(turn().state, "done");
});

test("an agent that shows what it does among its attributes", async (t) => {
  const { chat, server, bot, turn } = await chatting(t);
  const status = (text) => server.socket.say("bot-1", "participant.attributes", { attributes: { [`thread.status.${PATH}`]: text } });
  await chat.say("hello");
  status("Looking it up");
  assert.equal(turn().status, "Looking it up");
  bot.write({ id: "a1", text: "Hi" });
  bot.say("chat", { text: "Hi" });
  assert.equal(turn().state, "answering");
  status(null);
  assert.equal(turn().state, "done");
});

test("an agent that says nothing but its texts is done when it is quiet", async (t) => {
  const { chat, bot, turn } = await chatting(t);
  await chat.say("hello");
  bot.write({ id: "a1", text: "Let me see." });
  bot.say("chat", { text: "Let me see." });
  assert.equal(turn().state, "answering");
  bot.write({ id: "a2", text: "It is 7." });
  bot.say("chat", { text: "It is 7." });
  await until(() => turn().state === "done");
});

test("what the agent says to us alone is shown, what stands in the thread is not shown twice", async (t) => {
  const { chat, bot } = await chatting(t);
  bot.write({ id: "a1", text: "Welcome" });
  bot.say("chat", { text: "Welcome" });
  bot.say("chat", { text: "I am too busy." });
  await until(() => chat.aside.value !== "");
  assert.equal(chat.aside.value, "I am too busy.");
  await chat.say("well");
  assert.equal(chat.aside.value, "");
});

test("cancel ends the turn and tells the agent", async (t) => {
  const { chat, told, bot, asked, turn } = await chatting(t);
  await chat.say("hello");
  await chat.cancel();
  assert.equal(turn().state, "cancelled");
  assert.equal(told.at(-1).type, "cancel");
  bot.say("thinking", { thinking: false, turn_id: asked().id });
  assert.equal(turn().state, "cancelled");
});

test("an agent that leaves in mid-answer is noticed; the same question can be asked again", async (t) => {
  const { chat, server, told, bot, asked, turn } = await chatting(t);
  await chat.say("hello", ["a.txt"]);
  const id = asked().id;
  bot.write({ id: "a1", text: "Hi", turn_id: id });
  server.socket.say("bot-1", "participant.disabled", { id: "bot-1" });
  assert.equal(turn().state, "lost");
  assert.equal(chat.isPresent.value, false);
  server.socket.say("bot-2", "participant.enabled", agent("bot-2"));
  assert.equal(chat.isPresent.value, true);
  const before = chat.entries.value.length;
  const retried = chat.retry(id);
  await until(() => told.at(-1).type === "opened" && told.at(-1).to_participant_id === "bot-2");
  server.socket.say("bot-2", "listening", { path: PATH, listening: true });
  await retried;
  assert.equal(asked().id, id);
  assert.deepEqual(asked().attachments, [{ path: "a.txt" }]);
  assert.equal(chat.entries.value.length, before, "it is not said twice");
});

test("another of the agent's name may leave", async (t) => {
  const { chat, server, turn } = await chatting(t);
  server.socket.say("bot-0", "participant.enabled", { ...agent("bot-0"), id: "bot-0" });
  server.socket.say("bot-0", "participant.disabled", { id: "bot-0" });
  await chat.say("hello");
  server.socket.say("bot-0", "participant.enabled", agent("bot-0"));
  server.socket.say("bot-0", "participant.disabled", { id: "bot-0" });
  assert.equal(turn().state, "thinking");
  assert.equal(chat.isPresent.value, true);
});

test("what is said while the agent is away is held until it is there", async (t) => {
  const { chat, server, told, documents, turn, asked } = await chatting(t, { present: false });
  await chat.say("anybody?");
  const [waits] = chat.turns.values();
  assert.equal(waits.state, "waiting");
  assert.equal(documents.messages(PATH).length, 1);
  await chat.say("hello?");
  await chat.cancel();
  assert.equal(chat.turns.get(waits.id).state, "cancelled", "the first of them is taken back");
  assert.deepEqual(told, []);
  server.socket.say("bot-1", "participant.enabled", agent());
  await until(() => told.some((one) => one.type === "chat"), "the question");
  assert.equal(asked().text, "hello?");
  await until(() => turn().state === "thinking");
  assert.equal(told.filter((one) => one.type === "chat").length, 1);
});

test("it is not held for ever", async (t) => {
  const { chat } = await chatting(t, { present: false, holdMs: 1 });
  await chat.say("anybody?");
  await until(() => chat.turns.values()[0].state === "lost");
  assert.equal(chat.turns.values()[0].cause, "absent");
});

test("stop names the turn that is worked on, and the others keep their state", async (t) => {
  const { chat, told, bot } = await chatting(t);
  await chat.say("count");
  const first = chat.current.value.id;
  bot.say("thinking", { thinking: true, turn_id: first });
  bot.write({ id: "a1", text: "1, 2", turn_id: first });
  await chat.say("say: second");
  assert.equal(chat.current.value.id, first, "what waits is not worked on");
  await chat.cancel();
  assert.deepEqual(told.at(-1).message, { path: PATH, turn_id: first });
  assert.deepEqual(chat.turns.values().map((one) => one.state), ["cancelled", "thinking"]);
});

test("an answer that was cut off says so, also in the thread", async (t) => {
  const { chat, server, bot, asked, turn } = await chatting(t);
  await chat.say("count");
  bot.write({ id: "a1", text: "1, 2", turn_id: asked().id, written_by: "bot-1" });
  const cut = () => chat.isCut(chat.entries.value.at(-1));
  assert.equal(cut(), "", "it is still being written");
  bot.say("thinking", { thinking: false, turn_id: asked().id, ended: "cut" });
  assert.deepEqual([turn().state, turn().cause], ["lost", "stopped"]);
  server.socket.say("bot-1", "participant.disabled", { id: "bot-1" });
  assert.equal(cut(), "cut", "who wrote it has gone, and never said that it is whole");
  for (const [ended, shown] of [["done", ""], ["cancelled", "cancelled"], ["cut", "cut"]]) {
    bot.write({ id: `a-${ended}`, text: "1", written_by: "bot-1", ended });
    assert.equal(cut(), shown);
  }
  bot.write({ id: "a5", text: "of another maker" });
  assert.equal(cut(), "");
});

test("who stopped an answer is told", async (t) => {
  const { chat, bot, asked, turn } = await chatting(t);
  await chat.say("count");
  bot.say("thinking", { thinking: false, turn_id: asked().id, ended: "cancelled" });
  assert.deepEqual([turn().state, turn().byOther], ["cancelled", true]);
});

test("after a lost connection the thread is whole again, with what was said meanwhile", async (t) => {
  const { chat, server, documents } = await chatting(t);
  server.socket.cut();
  assert.equal(chat.isReady.value, false);
  chat.thread.say({ id: "m1", author: "ada", text: "into the void" });
  documents.write(PATH, { id: "m2", text: "meanwhile" });
  server.later.at(-1).run();
  await until(() => chat.isReady.value);
  await chat.thread.flush();
  const texts = documents.messages(PATH).toArray().map((one) => one.getAttribute("text")).sort();
  assert.deepEqual(texts, ["into the void", "meanwhile"]);
  assert.equal(documents.opens.at(-1).create, false, "a thread that is gone is not made beside the old one");
});

test("an answer that went on while we were away is no lost one", async (t) => {
  const { chat, server, bot, asked, turn } = await chatting(t);
  await chat.say("hello");
  const answer = bot.write({ id: "a1", text: "Hi", turn_id: asked().id });
  const { id } = asked();
  server.socket.cut();
  assert.equal(turn().cause, "connection");
  answer.setAttribute("text", "Hi there");
  server.later.at(-1).run();
  await until(() => chat.isReady.value);
  assert.equal(chat.turns.get(id).state, "done");
});

test("a thread that is left and opened again at once is open", async (t) => {
  const { room, chat, documents } = await chatting(t);
  await chat.say("hello");
  const closing = chat.close();
  const hasty = new Chat(room, { agent: "chatbot", path: PATH });
  hasty.close();
  const again = new Chat(room, { agent: "chatbot", path: PATH });
  await closing;
  await until(() => again.isReady.value, "the thread");
  assert.equal(again.notice.value, "");
  assert.deepEqual(again.entries.value.map((one) => one.text), ["hello"]);
  documents.write(PATH, { id: "a1", text: "Hi" });
  assert.equal(again.entries.value.length, 2);
  await again.close();
});

test("a thread that was deleted meanwhile is begun again", async (t) => {
  const { chat, server, documents } = await chatting(t);
  await chat.say("hello");
  documents.docs.delete(PATH);
  server.socket.cut();
  server.later.at(-1).run();
  await until(() => chat.isReady.value);
  assert.deepEqual(chat.entries.value, []);
  await chat.say("again");
  assert.equal(documents.messages(PATH).length, 1);
});

test("hostile entries are read as far as they can be", async (t) => {
  const { chat, documents } = await chatting(t);
  documents.write(PATH, { text: 7, author_name: null, id: {} });
  documents.write(PATH, {});
  assert.deepEqual(chat.entries.value.map((one) => one.text), ["", ""]);
});

test("what the developer log says of this thread belongs to the turn", async (t) => {
  const { chat, server, turn } = await chatting(t);
  await chat.say("hello");
  server.socket.push("developer.log", { type: "llm.tool_call", data: { path: PATH, name: "convert" } });
  server.socket.push("developer.log", { type: "llm.tool_call", data: { path: "other.thread", name: "x" } });
  assert.deepEqual(turn().facts.map((one) => one.data.name), ["convert"]);
});

test("clearing with the agent away empties the thread", async (t) => {
  const { chat } = await chatting(t, { present: false });
  await chat.say("hello");
  await chat.clear();
  assert.deepEqual(chat.entries.value, []);
});

test("the paths of threads are those of the command line", () => {
  assert.equal(ownThread("chatbot", "Ada Lovelace"), ".threads/chatbot/Ada_Lovelace.thread");
  assert.equal(segment("../x/é😀"), "_x_é_");
  assert.equal(segment("..."), "_");
  const taken = [newThread("a", "b", new Date("2026-11-22T10:20:30Z"))];
  assert.match(newThread("a", "b", new Date("2026-11-22T10:20:30Z"), taken), /-102031\.thread$/);
  assert.match(newThread("a", "b", new Date("2026-11-22T10:20:30Z")), /^\.threads\/a\/b-20261122-102030\.thread$/);
});
