import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomClient } from "../src/room/client.js";
import { uploadBeside } from "../src/room/storage.js";
import { FakeServer, until } from "./fake_room.js";

/** A room that keeps what is written; the first piece is lost with the connection where `cuts` says so. */
function storing({ cuts = false } = {}) {
  const files = new Map();
  const open = new Map();
  const answers = {
    "storage.exists": ({ path }) => ({ exists: files.has(path) }),
    "storage.open": ({ path }) => {
      open.set(open.size, { path, text: "" });
      return { handle: open.size - 1 };
    },
    "storage.write": ({ handle }, data) => void (open.get(handle).text += new TextDecoder().decode(data)),
    "storage.close": ({ handle }) => void files.set(open.get(handle).path, open.get(handle).text),
  };
  const server = new FakeServer((socket, { type, id, header, data }) => {
    if (!(type in answers)) return undefined;
    if (cuts && type === "storage.write") {
      cuts = false;
      socket.cut();
      return true;
    }
    const json = answers[type](header, data);
    socket.answer({ id }, json ? { type: "json", json } : undefined);
    return true;
  });
  const room = new RoomClient(server.options());
  return { room, server, files };
}

test("a file that is attached before we are in the room goes up once we are", async () => {
  const { room, files } = storing();
  const done = uploadBeside(room, "a/recipe.txt", new Blob(["flour"]));
  room.connect();
  assert.equal(await done, "a/recipe.txt");
  assert.equal(files.get("a/recipe.txt"), "flour");
  assert.equal(await uploadBeside(room, "a/recipe.txt", new Blob(["eggs"])), "a/recipe (2).txt");
});

test("an upload begins anew after a lost connection", async () => {
  const { room, server, files } = storing({ cuts: true });
  room.connect();
  const done = uploadBeside(room, "recipe.txt", new Blob(["flour"]));
  await until(() => room.state === "waiting");
  server.later.shift().run();
  assert.equal(await done, "recipe.txt");
  assert.equal(files.get("recipe.txt"), "flour");
});

test("who is refused, leaves or drops the file is told at once", async () => {
  const refused = new RoomClient({ address: async () => Promise.reject(Object.assign(new Error("no"), { final: true })) });
  refused.connect();
  await assert.rejects(uploadBeside(refused, "x", new Blob(["x"])), { message: "No." });
  const { room } = storing();
  const left = assert.rejects(uploadBeside(room, "x", new Blob(["x"])), { message: "The room was left." });
  room.close();
  await left;
  const { room: slow } = storing();
  const abort = new AbortController();
  const dropped = assert.rejects(uploadBeside(slow, "x", new Blob(["x"]), { signal: abort.signal }), { name: "AbortError" });
  abort.abort();
  await dropped;
});
