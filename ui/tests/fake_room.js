/** A room server's side of the protocol for tests: sockets that speak packets, and whatever a test answers. */

import { Assembler, encode } from "../src/room/packets.js";

export class FakeSocket {
  constructor(onMessage) {
    this.assembler = new Assembler();
    this.onMessage = onMessage;
    this.isOpen = true;
    this.nextId = 1;
  }

  send(packet) {
    const message = this.assembler.receive(packet.slice().buffer);
    if (message) queueMicrotask(() => this.isOpen && this.onMessage(this, message));
  }

  push(type, header = {}, data = undefined, id = this.nextId++) {
    for (const packet of encode({ id, type, header, data })) this.onmessage?.({ data: packet.slice().buffer });
  }

  answer(message, content = { type: "empty" }, data = undefined) {
    this.push("__response__", content, data, message.id);
  }

  /** Somebody's message, or the room's own about people. */
  say(from, type, message) {
    this.push("messaging.send", { from_participant_id: from, type, message });
  }

  greet(id, name, others = []) {
    this.push("room_ready", { room_name: "r", room_url: "ws://x/rooms/r", session_id: "s" });
    this.others = others;
    this.push("connected", { type: "init", participantId: id, attributes: { name } });
  }

  cut() {
    this.isOpen = false;
    this.onclose?.({});
  }

  close() {
    this.isOpen = false;
  }
}

/** Answers presence by itself and hands everything else to `handle`; keeps what it was sent. */
export class FakeServer {
  constructor(handle = () => undefined) {
    this.handle = handle;
    this.sockets = [];
    this.received = [];
    this.others = [];
    this.later = [];
    this.participants = 0;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  options() {
    return {
      address: async () => "ws://x/rooms/r?token=t",
      dial: () => {
        const socket = new FakeSocket((from, message) => this.take(from, message));
        this.sockets.push(socket);
        queueMicrotask(() => socket.greet(`me-${++this.participants}`, "ada"));
        return socket;
      },
      later: (run, ms) => this.later.push({ run, ms }),
    };
  }

  take(socket, message) {
    this.received.push(message);
    if (message.type === "messaging.enable") {
      socket.say("me", "messaging.enabled", { participants: this.others });
      socket.answer(message);
    } else if (this.handle(socket, message) === undefined) {
      socket.answer(message);
    }
  }
}

export const agent = (id = "bot-1") => ({ id, role: "agent", attributes: { name: "chatbot" } });

/** Resolves once `is` holds; looks after every turn of the event loop. */
export async function until(is, what = "it") {
  for (let turn = 0; turn < 5_000; turn++) {
    if (is()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`${what} did not happen`);
}
