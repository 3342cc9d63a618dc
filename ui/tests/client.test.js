import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomClient } from "../src/room/client.js";
import { FakeServer, agent, until } from "./fake_room.js";

async function connected(server) {
  const client = new RoomClient(server.options());
  client.connect();
  await until(() => client.state === "open", "the connection");
  return client;
}

test("it enters, becomes visible and knows who is here", async () => {
  const server = new FakeServer();
  server.others = [agent()];
  const client = await connected(server);
  assert.equal(client.name, "ada");
  assert.equal(client.named("chatbot").id, "bot-1");
  server.socket.say("bob-1", "participant.enabled", { id: "bob-1", role: "user", attributes: { name: "bob" } });
  server.socket.say("bob-1", "participant.attributes", { attributes: { mood: "good" } });
  assert.equal(client.participants.get("bob-1").attributes.mood, "good");
  server.socket.say("eve-1", "participant.enabled", { id: "eve-1", role: "user", attributes: { name: "chatbot" } });
  assert.equal(client.named("chatbot").id, "bot-1", "somebody who calls himself so is not the agent");
  const left = [];
  client.on("left", (one) => left.push(one.attributes.name));
  server.socket.say("bob-1", "participant.disabled", { id: "bob-1" });
  assert.deepEqual(left, ["bob"]);
  assert.equal(client.participants.has("bob-1"), false);
});

test("a participant that cannot be read is nobody", async () => {
  const server = new FakeServer();
  server.others = [null, 7, { id: 3 }, { id: "x" }];
  const client = await connected(server);
  assert.deepEqual([...client.participants.keys()], ["x"]);
  server.socket.say("x", "chat", null);
  server.socket.push("messaging.send", { type: 7 });
  assert.equal(client.state, "open");
});

test("answers find their requests, errors become sentences", async () => {
  const held = [];
  const server = new FakeServer((socket, message) => held.push(message));
  const client = await connected(server);
  const [a, b, c] = [client.ask("one"), client.ask("two"), client.request("three")];
  await until(() => held.length === 3);
  server.socket.answer(held[1], { type: "error", text: "no such thing", code: 1003 });
  server.socket.answer(held[2], { type: "file", name: "x" }, new Uint8Array([7]));
  server.socket.answer(held[0], { type: "json", json: { n: 1 } });
  assert.deepEqual(await a, { n: 1 });
  await assert.rejects(b, { message: "no such thing", code: 1003 });
  assert.deepEqual([...(await c).data], [7]);
});

test("a lost connection fails what was under way, and comes back by itself", async () => {
  const server = new FakeServer((socket, message) => (message.type === "wait" ? true : undefined));
  const client = await connected(server);
  const seen = [];
  client.on("state", (state) => seen.push(state));
  const waiting = assert.rejects(client.request("wait"), /connection to the room was lost/);
  server.socket.cut();
  await waiting;
  assert.equal(client.participants.size, 0);
  await assert.rejects(client.request("again"), /not connected/);
  assert.equal(server.later.length, 1);
  assert.ok(server.later[0].ms <= 500);
  server.later[0].run();
  await until(() => client.state === "open");
  assert.equal(client.selfId, "me-2");
  assert.deepEqual(seen, ["waiting", "connecting", "open"]);
});

test("pauses grow while the server is away, up to a bound", async () => {
  const server = new FakeServer();
  const options = server.options();
  options.address = async () => {
    throw new Error("nobody there");
  };
  const client = new RoomClient(options);
  client.connect();
  for (let turn = 0; turn < 8; turn++) {
    await until(() => server.later.length === turn + 1);
    server.later[turn].run();
  }
  assert.equal(client.reason, "nobody there");
  assert.ok(server.later[7].ms > 4_000 && server.later[7].ms <= 10_000);
  assert.ok(server.later[0].ms <= 500);
});

test("a refusal for good ends the attempts; leaving does too", async () => {
  const server = new FakeServer();
  const options = server.options();
  options.address = async () => {
    throw Object.assign(new Error("no such room"), { final: true });
  };
  const refused = new RoomClient(options);
  refused.connect();
  await until(() => refused.state === "refused");
  assert.equal(server.later.length, 0);

  const client = await connected(server.others ? new FakeServer() : server);
  client.close();
  assert.equal(client.state, "closed");
  await assert.rejects(client.request("x"), /not connected/);
});

test("nonsense from the room ends this connection only", async () => {
  const server = new FakeServer();
  const client = await connected(server);
  server.socket.onmessage({ data: new Uint8Array(3).buffer });
  assert.equal(client.state, "waiting");
  assert.match(client.reason, /unreadable/);
});

test("a room that does not answer any more is left, one that does is not", async () => {
  const server = new FakeServer((socket, message) => (message.type === "messaging.list" && server.isDeaf ? true : undefined));
  const client = await connected(server);
  client.check();
  await until(() => client.checking === 0);
  server.later.at(-1).run();
  assert.equal(client.state, "open");
  server.isDeaf = true;
  client.check();
  server.later.at(-1).run();
  assert.equal(client.state, "waiting");
  assert.match(client.reason, /does not answer/);
});
