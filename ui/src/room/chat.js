/**
 * A person's chat with one agent in one thread: say, hear, cancel, clear, and what became of each turn.
 *
 * Theory: the document is the canonical text; messages say what is going on.  A turn is named by the id of the
 * message that asked for it, ends when the agent says `thinking: false` for it, and is lost when the agent leaves
 * in its middle.  A lost turn can be asked again under the same id: the message stands in the thread already.
 *
 * Agents differ in how they say that they are done.  Ours name the turn.  Those of MeshAgent's SDK up to 0.24 send
 * `thinking` without a name; some later ones show an attribute `thread.status.<path>` while they work; the newest say
 * nothing, but send each text once it is complete: such a turn is over when nothing has changed for a moment.
 */

import { computed, signal } from "@preact/signals";
import { isAgentNamed } from "./client.js";
import { Thread } from "./thread.js";

const LISTEN_MS = 2_000;
const SETTLE_MS = 400;
const QUIET_MS = 1_200;
const TYPING_SHOWN_MS = 4_000;
const TYPING_TOLD_MS = 2_000;
const KEPT_TURNS = 200;
const MAX_ASIDE_CHARS = 2_000;

/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {"sending"|"thinking"|"answering"|"done"|"cancelled"|"lost"|"unanswered"|"failed"} state
 * @property {boolean} mine
 * @property {boolean} [isNamed]   the agent said that it works on it, so it will say when it is done
 * @property {number} startedAt     ms since the epoch
 * @property {number|null} firstMs  until its first text
 * @property {number|null} tookMs
 * @property {string} [to]         the participant that was asked
 * @property {"absent"|"left"|"connection"} [cause]   why it was lost: the agent was not there, it left, or we did
 * @property {number} [seenChars]  how much of the answer was there when the connection was lost
 * @property {string} [error]
 * @property {string} [status]     what the agent says it is doing
 * @property {object[]} facts       what the developer log said about it: {type, data, at}
 */

export const RUNNING = new Set(["sending", "thinking", "answering"]);

export class Chat {
  /**
   * @param {import("./client.js").RoomClient} room
   * @param {{agent: string, path: string}} given
   */
  constructor(room, { agent, path }) {
    this.room = room;
    this.agent = agent;
    this.path = path;
    this.thread = new Thread(room, path);
    /** @type {import("@preact/signals").Signal<import("./thread.js").Entry[]>} */
    this.entries = signal([]);
    this.isReady = signal(false);
    this.members = signal([]);
    /** What stands in the way: the thread cannot be opened. */
    this.notice = signal("");
    /** What the agent said to us alone, until we say something again. */
    this.aside = signal("");
    /** @type {import("@preact/signals").Signal<Map<string, Turn>>} */
    this.turns = signal(new Map());
    this.current = computed(() => [...this.turns.value.values()].findLast((turn) => RUNNING.has(turn.state)) ?? null);
    /** @type {import("@preact/signals").Signal<string[]>} people who are typing */
    this.typing = signal([]);
    this.isPresent = signal(false);
    this.typists = new Map();
    this.status = "";
    this.toldTypingAt = 0;
    this.heardFor = "";
    this.listening = [];
    this.stops = [
      this.thread.on("change", () => this.read()),
      this.thread.on("ready", () => this.opened()),
      this.thread.on("error", (error) => (this.notice.value = error.message)),
      room.on("participants", () => this.look()),
      room.on("left", (one) => this.left(one)),
      room.on("lost", () => this.lost()),
      room.on("message", (heard) => this.heard(heard)),
      room.on("push:developer.log", ({ header }) => this.logged(header)),
    ];
    this.look();
  }

  /** Say something; resolves once it is sent. */
  async say(text, files = []) {
    const id = crypto.randomUUID();
    this.aside.value = "";
    this.put({ id, state: "sending", mine: true, startedAt: Date.now(), firstMs: null, tookMs: null, facts: [] });
    // Not before: an agent answers everything that one person says, of several what is meant for it.
    this.thread.join(this.room.name, this.agent);
    this.thread.say({ id, author: this.room.name, text, files });
    await this.send(id, text, files);
  }

  /** Ask again for the answer to a message that stands in the thread; an agent that kept silent is called by name. */
  async retry(id) {
    const wasSilent = this.turns.value.get(id)?.state === "unanswered";
    const said = this.thread.entries.find((entry) => entry.id === id);
    if (!said) return;
    this.put({ id, state: "sending", mine: true, startedAt: Date.now(), firstMs: null, tookMs: null, facts: [] });
    await this.send(id, wasSilent ? `${this.agent}, ${said.text}` : said.text, said.files);
  }

  /** End the answer that is coming; what was written stays. */
  async cancel() {
    const turn = this.current.value;
    const agent = this.room.named(this.agent);
    if (!turn) return;
    this.update(turn.id, { state: "cancelled", tookMs: Date.now() - turn.startedAt });
    if (agent) await this.room.tell(agent, "cancel", { path: this.path }).catch(() => {});
  }

  /** Forget the chat, on both sides. */
  async clear() {
    const agent = this.room.named(this.agent);
    if (agent) await this.room.tell(agent, "clear", { path: this.path });
    else this.thread.clear();
    this.turns.value = new Map();
  }

  /** Tell the others that we are writing; not too often. */
  tellTyping() {
    const now = Date.now();
    if (now - this.toldTypingAt < TYPING_TOLD_MS || this.room.state !== "open") return;
    this.toldTypingAt = now;
    this.room.broadcast("typing", { path: this.path });
  }

  async close() {
    this.stops.forEach((stop) => stop());
    clearInterval(this.typingTimer);
    clearTimeout(this.quietTimer);
    await this.thread.close();
  }

  // ---- inside

  async send(id, text, files) {
    try {
      // The agent must find the message in the thread, and messages overtake the document.
      await this.thread.flush();
      const agent = this.room.named(this.agent);
      if (!agent) {
        this.end(id, { state: "lost", cause: "absent" });
        return;
      }
      this.update(id, { to: agent.id });
      await this.greet(agent);
      const attachments = files.map((path) => ({ path }));
      await this.room.tell(agent, "chat", { path: this.path, text, id, ...(files.length && { attachments }) });
      if (this.turns.value.get(id)?.state === "sending") this.update(id, { state: "thinking" });
    } catch (error) {
      this.end(id, { state: "failed", error: error.message });
    }
  }

  /** Let an agent that has not yet opened this thread open it; one that never says so is talked to all the same. */
  async greet(agent) {
    if (this.heardFor === agent.id) return;
    if (this.greeting?.to === agent.id) return this.greeting.done;
    const done = (async () => {
      const heard = new Promise((resolve) => this.listening.push(resolve));
      await this.room.tell(agent, "opened", { path: this.path });
      await Promise.race([heard, new Promise((resolve) => setTimeout(resolve, LISTEN_MS))]);
      this.heardFor = agent.id;
    })();
    this.greeting = { to: agent.id, done };
    try {
      await done;
    } finally {
      this.greeting = null;
    }
  }

  opened() {
    this.isReady.value = true;
    this.notice.value = "";
    this.heardFor = "";
    this.look();
  }

  look() {
    const agent = this.room.named(this.agent);
    this.isPresent.value = agent !== null;
    if (agent) this.see(agent.attributes[`thread.status.${this.path}`]);
    if (agent && this.thread.isReady && this.heardFor !== agent.id) this.greet(agent).catch(() => {});
  }

  left(participant) {
    if (!isAgentNamed(participant, this.agent)) return;
    this.heardFor = "";
    for (const turn of this.turns.value.values()) {
      // Another of that name, which was not asked, may leave.
      if (RUNNING.has(turn.state) && (!turn.to || turn.to === participant.id)) this.end(turn.id, { state: "lost", cause: "left" });
    }
  }

  lost() {
    this.heardFor = "";
    this.isReady.value = false;
    this.isPresent.value = false;
    for (const turn of this.turns.value.values()) {
      if (RUNNING.has(turn.state)) this.end(turn.id, { state: "lost", cause: "connection", seenChars: this.answerOf(turn.id)?.text.length ?? 0 });
    }
  }

  read() {
    const entries = this.thread.entries;
    this.entries.value = entries;
    this.members.value = this.thread.members;
    if (this.typists.delete(entries.at(-1)?.author)) this.showTyping();
    if (this.quietTimer) this.waitForQuiet();
    for (const turn of this.turns.value.values()) {
      // We lost the connection, the agent went on.
      if (turn.cause === "connection" && (this.answerOf(turn.id)?.text.length ?? 0) > turn.seenChars) {
        this.update(turn.id, { state: "done", cause: undefined, tookMs: null });
      }
    }
    for (const turn of this.turns.value.values()) {
      if (turn.state !== "thinking" && turn.state !== "sending") continue;
      const answer = this.answerOf(turn.id);
      if (answer) this.update(turn.id, { state: "answering", firstMs: Date.now() - turn.startedAt });
    }
  }

  answerOf(id) {
    const { entries } = this.thread;
    const isText = (entry) => entry.kind === "message" && entry.text !== "";
    const named = entries.findLast((entry) => entry.turnId === id && isText(entry));
    if (named) return named;
    // Agents of other makers do not name the turn: what they say after the question is its answer.
    const asked = entries.findLastIndex((entry) => entry.id === id);
    if (asked < 0) return null;
    return entries.slice(asked + 1).findLast((entry) => entry.author === this.agent && !this.turns.value.has(entry.turnId) && isText(entry)) ?? null;
  }

  heard({ from, type, message }) {
    if (message.path !== this.path) return;
    const sender = this.room.participants.get(from);
    if (type === "typing") return this.heardTyping(sender?.attributes.name);
    if (!sender || !isAgentNamed(sender, this.agent)) return;
    const id = typeof message.turn_id === "string" ? message.turn_id : "";
    if (type === "listening") {
      this.listening.splice(0).forEach((resolve) => resolve());
    } else if (type === "thinking" && message.thinking === true) {
      this.begin(id);
    } else if (type === "thinking") {
      this.finish(id);
    } else if (type === "chat" && typeof message.text === "string") {
      this.listening.splice(0).forEach((resolve) => resolve());
      if (!id && this.current.value && !this.current.value.isNamed) this.waitForQuiet();
      if (!id) setTimeout(() => this.heardAside(message.text), SETTLE_MS);
    }
  }

  /** Said to us alone when it is not in the thread: that it cannot be opened, that the agent is too busy. */
  heardAside(text) {
    const isInThread = this.thread.entries.some((entry) => entry.author === this.agent && entry.text === text);
    if (!isInThread) this.aside.value = text.slice(0, MAX_ASIDE_CHARS);
  }

  /** An agent's attribute about this thread: what it is doing, or nothing. */
  see(status) {
    const text = typeof status === "string" ? status : status ? "thinking" : "";
    if (text === this.status) return;
    this.status = text;
    if (!text) return this.finish("");
    this.begin("");
    const turn = this.current.value;
    if (turn) this.update(turn.id, { status: text.slice(0, 100) });
  }

  /** A complete text came, and maybe more will: the turn is over when nothing changes for a while. */
  waitForQuiet() {
    clearTimeout(this.quietTimer);
    this.quietTimer = setTimeout(() => {
      this.quietTimer = null;
      const turn = this.current.value;
      const last = this.thread.entries.at(-1);
      if (turn && !turn.isNamed && !this.status && last?.author === this.agent) this.finish("");
    }, QUIET_MS);
  }

  /** The agent works on a turn; one that somebody else asked for is shown too. */
  begin(id) {
    const turn = id ? this.turns.value.get(id) : this.current.value;
    if (turn) return this.update(turn.id, { isNamed: true, ...(turn.state === "sending" && { state: "thinking" }) });
    this.put({ id: id || crypto.randomUUID(), state: "thinking", isNamed: true, mine: false, startedAt: Date.now(), firstMs: null, tookMs: null, facts: [] });
  }

  finish(id) {
    const turn = this.turns.value.get(id) ?? (id ? null : this.current.value);
    if (!turn || !RUNNING.has(turn.state)) return;
    const tookMs = Date.now() - turn.startedAt;
    if (this.answerOf(turn.id)) return this.end(turn.id, { state: "done", tookMs });
    // Messages overtake the document: the answer may be a moment behind.
    setTimeout(() => {
      if (!RUNNING.has(this.turns.value.get(turn.id)?.state)) return;
      this.end(turn.id, { state: this.answerOf(turn.id) ? "done" : "unanswered", tookMs });
    }, SETTLE_MS);
  }

  heardTyping(name) {
    if (!name || name === this.agent) return;
    this.typists.set(name, Date.now());
    this.showTyping();
    this.typingTimer ??= setInterval(() => this.showTyping(), 1_000);
  }

  showTyping() {
    const now = Date.now();
    for (const [name, at] of this.typists) if (now - at > TYPING_SHOWN_MS) this.typists.delete(name);
    const names = [...this.typists.keys()];
    if (names.join() !== this.typing.value.join()) this.typing.value = names;
    if (!names.length) {
      clearInterval(this.typingTimer);
      this.typingTimer = null;
    }
  }

  logged({ type, data }) {
    if (typeof type !== "string" || !data || typeof data !== "object" || data.path !== this.path) return;
    const turn = this.turns.value.get(data.turn_id) ?? this.current.value;
    if (turn && turn.facts.length < 100) this.update(turn.id, { facts: [...turn.facts, { type, data, at: Date.now() }] });
  }

  end(id, changes) {
    const turn = this.turns.value.get(id);
    if (turn) this.update(id, { tookMs: Date.now() - turn.startedAt, ...changes });
  }

  update(id, changes) {
    const turn = this.turns.value.get(id);
    if (turn) this.put({ ...turn, ...changes });
  }

  put(turn) {
    const turns = new Map(this.turns.value);
    turns.delete(turn.id);
    turns.set(turn.id, turn);
    for (const id of turns.keys()) {
      if (turns.size <= KEPT_TURNS) break;
      turns.delete(id);
    }
    this.turns.value = turns;
  }
}
