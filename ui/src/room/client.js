/**
 * A participant of a room: connects with a token, comes back by itself when the connection is lost, makes
 * requests, and knows who else is here.
 *
 * Theory: one `RoomClient` per room page.  A connection that is lost is a new participant when it is back: it
 * enables messaging again, and whoever has documents open hears `open` and opens them again.  Requests under way
 * fail with the connection; nothing is sent twice behind anybody's back.
 */

import { Emitter } from "./emitter.js";
import { Assembler, encode } from "./packets.js";

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 10_000;
const STILL_OPEN_MS = 5_000;
const CHECK_MS = 10_000;
const MAX_PENDING = 512;

/** The room answered with an error, or is gone; `message` is a sentence to show. */
export class RoomError extends Error {
  /** @param {string} message  @param {number|null} code of the protocol; null for a lost connection */
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

export const CODE_NOT_FOUND = 1003;

/**
 * @typedef {object} Participant
 * @property {string} id
 * @property {string} role
 * @property {Record<string, any>} attributes
 */

/**
 * @typedef {"connecting"|"open"|"waiting"|"refused"|"closed"} State
 *   waiting: for the next attempt; refused: the server said no for good; closed: by us
 */

/**
 * Events: `state` (State) · `open` after each (re)connection, messaging enabled · `lost` · `participants` ·
 * `left` (Participant) · `message` ({from, type, message}) · `push:<type>` (Message) for every other push.
 */
export class RoomClient extends Emitter {
  /**
   * @param {object} given
   * @param {() => Promise<string>} given.address  makes the websocket address, token included, for one attempt;
   *   an error with `final: true` ends the attempts
   * @param {(address: string) => WebSocket} [given.dial]
   * @param {(run: () => void, ms: number) => any} [given.later]
   */
  constructor({ address, dial = (url) => new WebSocket(url), later = (run, ms) => setTimeout(run, ms) }) {
    super();
    this.address = address;
    this.dial = dial;
    this.later = later;
    /** @type {State} */
    this.state = "closed";
    this.reason = "";
    this.selfId = "";
    this.name = "";
    /** @type {Map<string, Participant>} the others who enabled messaging */
    this.participants = new Map();
    this.attempts = 0;
    this.pending = new Map();
    this.socket = null;
    this.run = 0;
    this.checking = 0;
    this.isLeft = false;
  }

  /** Connect, and stay connected until `close`. */
  connect() {
    this.isLeft = false;
    if (this.state === "closed" || this.state === "refused") this.attempt();
  }

  /** Try now instead of waiting out the pause; for "Retry now" and for a network that is back. */
  retry() {
    if (this.state === "waiting") this.attempt();
  }

  /**
   * Resolves once we are in the room, at once where we are; rejects when we are refused, leave, or give it up.
   * @param {AbortSignal} [signal]
   */
  async opened(signal) {
    while (this.state !== "open") {
      signal?.throwIfAborted();
      if (this.state === "refused") throw new RoomError(sentence(this.reason));
      if (this.isLeft) throw new RoomError("The room was left.");
      await new Promise((resolve) => {
        const stop = this.on("state", done);
        function done() {
          stop();
          signal?.removeEventListener("abort", done);
          resolve();
        }
        signal?.addEventListener("abort", done);
      });
    }
  }

  /** Ask whether the room is still there: a machine that slept does not hear that its connection is gone. */
  check(patienceMs = CHECK_MS) {
    if (this.state !== "open" || this.checking === this.run) return;
    const run = (this.checking = this.run);
    const settle = () => (this.checking = 0);
    this.request("messaging.list").then(settle, settle);
    this.later(() => this.checking === run && this.lost(run, "the room does not answer"), patienceMs);
  }

  close() {
    this.isLeft = true;
    this.run++;
    this.drop("the room was left");
    this.enter("closed");
  }

  /**
   * Ask the room; resolves to the answer's content with its raw bytes as `data`.
   * @param {string} type  @param {object} [header]  @param {Uint8Array} [data]
   * @param {{signal?: AbortSignal}} [given]  aborting tells the room that nobody waits any more
   * @returns {Promise<Record<string, any>>}
   */
  request(type, header = {}, data = undefined, { signal } = {}) {
    if (!this.socket || !this.selfId) return Promise.reject(new RoomError("The room is not connected right now."));
    if (this.pending.size >= MAX_PENDING) return Promise.reject(new RoomError("Too many requests are under way."));
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      const { run } = this;
      signal?.addEventListener("abort", () => {
        if (run !== this.run || !this.pending.delete(id)) return;
        this.send({ id: ++this.lastId, type: "room.cancel_request", header: { request_id: id } });
        reject(signal.reason);
      });
      try {
        this.send({ id, type, header, data });
      } catch (error) {
        this.pending.delete(id);
        reject(error);
      }
    });
  }

  /** @returns {Promise<any>} the JSON of the answer; null for an empty one */
  async ask(type, header = {}, data = undefined, given = {}) {
    const content = await this.request(type, header, data, given);
    return content.type === "json" ? content.json : null;
  }

  // ---- people

  /** The newest visible agent of a name: one that was restarted may be there twice for a moment. */
  named(name) {
    return [...this.participants.values()].filter((one) => isAgentNamed(one, name)).at(-1) ?? null;
  }

  /** Tell one participant something.  Rejects when it is not here. */
  tell(participant, type, message) {
    return this.request("messaging.send", { to_participant_id: participant.id, type, message });
  }

  /** Tell everybody; what is not heard is lost. */
  broadcast(type, message) {
    this.request("messaging.broadcast", { type, message }).catch(() => {});
  }

  // ---- the connection

  async attempt() {
    const run = ++this.run;
    this.enter("connecting");
    let address;
    try {
      address = await this.address();
    } catch (error) {
      if (run !== this.run) return;
      if (error.final) {
        this.reason = error.message;
        return this.enter("refused");
      }
      return this.wait(error.message);
    }
    if (run !== this.run) return;
    const socket = this.dial(address);
    const assembler = new Assembler();
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.lastId = 0;
    socket.onmessage = (event) => {
      if (run !== this.run) return;
      try {
        const message = assembler.receive(event.data);
        if (message) this.receive(message);
      } catch (error) {
        socket.close();
        this.lost(run, `the room sent something unreadable: ${error.message}`);
      }
    };
    socket.onclose = () => this.lost(run, "the connection to the room was lost");
  }

  lost(run, reason) {
    if (run !== this.run) return;
    const lived = this.openedAt ? Date.now() - this.openedAt : 0;
    if (lived > STILL_OPEN_MS) this.attempts = 0;
    this.drop(reason);
    this.wait(reason);
  }

  drop(reason) {
    const socket = this.socket;
    this.socket = null;
    this.selfId = "";
    this.openedAt = 0;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const pending = [...this.pending.values()];
    this.pending.clear();
    for (const { reject } of pending) reject(new RoomError(sentence(reason)));
    this.participants.clear();
    this.emit("lost", reason);
    this.emit("participants");
  }

  wait(reason) {
    const run = ++this.run;
    this.reason = reason;
    const most = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** this.attempts++);
    this.enter("waiting");
    // Not all at once: a server that is back has many clients.
    this.later(() => run === this.run && this.attempt(), most * (0.5 + Math.random() / 2));
  }

  enter(state) {
    this.state = state;
    this.emit("state", state);
  }

  send(message) {
    for (const packet of encode(message)) this.socket.send(packet);
  }

  /** @param {import("./packets.js").Message} message */
  receive(message) {
    const { type, header } = message;
    if (type === "__response__") return this.answered(message);
    if (type === "connected") return this.greeted(header);
    if (type === "messaging.send") return this.heard(header);
    this.emit(`push:${type}`, message);
  }

  answered({ id, header, data }) {
    const waiting = this.pending.get(id);
    if (!waiting) return;
    this.pending.delete(id);
    if (header.type === "error") waiting.reject(new RoomError(String(header.text ?? "it failed"), header.code ?? null));
    else waiting.resolve({ ...header, data });
  }

  greeted(header) {
    if (header.type !== "init") return;
    this.selfId = String(header.participantId ?? "");
    this.name = String(header.attributes?.name ?? "");
    this.openedAt = Date.now();
    this.request("messaging.enable").then(
      () => {
        this.enter("open");
        this.emit("open");
      },
      (error) => error.code === null || this.lost(this.run, error.message),
    );
  }

  heard({ from_participant_id: from, type, message }) {
    if (typeof type !== "string" || message === null || typeof message !== "object") return;
    if (type === "messaging.enabled") {
      const listed = Array.isArray(message.participants) ? message.participants : [];
      this.participants = new Map(listed.map(participantOf).filter(Boolean).map((one) => [one.id, one]));
    } else if (type === "participant.enabled") {
      const one = participantOf(message);
      if (one) this.participants.set(one.id, one);
    } else if (type === "participant.attributes") {
      const one = this.participants.get(from);
      if (one) this.participants.set(from, { ...one, attributes: { ...one.attributes, ...message.attributes } });
    } else if (type === "participant.disabled") {
      const one = this.participants.get(message.id);
      this.participants.delete(message.id);
      if (one) this.emit("left", one);
    } else {
      this.emit("message", { from, type, message });
      return;
    }
    this.emit("participants");
  }
}

/** Whether that is the agent of this name, and not somebody who calls himself so. */
export const isAgentNamed = (participant, name) => participant.role === "agent" && participant.attributes.name === name;

function participantOf(described) {
  if (typeof described?.id !== "string") return null;
  const attributes = described.attributes && typeof described.attributes === "object" ? described.attributes : {};
  return { id: described.id, role: String(described.role ?? "user"), attributes };
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
