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

import { signal } from "@preact/signals";
import { isAgentNamed } from "./client.js";
import { ThreadHistory } from "./history.js";
import { Thread } from "./thread.js";
import { RUNNING, Turns } from "./turns.js";
import { Typists } from "./typists.js";

const LISTEN_MS = 2_000;
const SETTLE_MS = 400;
const QUIET_MS = 1_200;
const TYPING_TOLD_MS = 2_000;
/** How long what was said while the agent was away is held back for it. */
const HOLD_MS = 120_000;
const MAX_ASIDE_CHARS = 2_000;

export class Chat {
  /**
   * @param {import("./client.js").RoomClient} room
   * @param {{agent: string, path: string, holdMs?: number}} given
   */
  constructor(room, { agent, path, holdMs = HOLD_MS }) {
    this.room = room;
    this.agent = agent;
    this.path = path;
    this.holdMs = holdMs;
    this.thread = new Thread(room, path);
    this.history = new ThreadHistory(room, path);
    /** @type {import("@preact/signals").Signal<import("./thread.js").Entry[]>} */
    this.entries = signal([]);
    this.isReady = signal(false);
    this.members = signal([]);
    /** What stands in the way: the thread cannot be opened. */
    this.notice = signal("");
    /** What the agent said to us alone, until we say something again. */
    this.aside = signal("");
    this.turns = new Turns();
    this.current = this.turns.current;
    this.typists = new Typists();
    this.isPresent = signal(false);
    /** Goes up with everything that we say. */
    this.saidCount = signal(0);
    this.status = "";
    this.toldTypingAt = 0;
    this.heardFor = "";
    this.listening = [];
    this.held = new Map();
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
    this.turns.begin(id);
    // Not before: an agent answers everything that one person says, of several what is meant for it.
    this.thread.join(this.room.name, this.agent);
    this.thread.say({ id, author: this.room.name, text, files });
    this.saidCount.value += 1;
    await this.send(id, text, files);
  }

  /** Ask again for the answer to a message that stands in the thread; an agent that kept silent is called by name. */
  async retry(id) {
    const wasSilent = this.turns.get(id)?.state === "unanswered";
    const said = this.thread.entries.find((entry) => entry.id === id);
    if (!said) return;
    this.turns.begin(id);
    await this.send(id, wasSilent ? `${this.agent}, ${said.text}` : said.text, said.files);
  }

  /** End the answer that is coming; what was written stays. */
  async cancel() {
    const turn = this.current.value;
    const agent = this.room.named(this.agent);
    if (!turn) return;
    this.turns.end(turn.id, { state: "cancelled" });
    if (agent && turn.state !== "waiting") await this.room.tell(agent, "cancel", { path: this.path, turn_id: turn.id }).catch(() => {});
  }

  /** Forget the chat, on both sides. */
  async clear() {
    const agent = this.room.named(this.agent);
    if (agent) await this.room.tell(agent, "clear", { path: this.path });
    else this.thread.clear();
    await this.history.forget();
    this.turns.clear();
  }

  /** Whether an answer was left unfinished: by its own words, or because who wrote it has gone.  Agents of others never say. */
  isCut(entry) {
    const { ended, written_by: writer } = entry.values;
    return ended === "cut" || ended === "cancelled" ? ended : !ended && Boolean(writer) && this.room.state === "open" && !this.room.participants.has(writer) ? "cut" : "";
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
    this.typists.close();
    this.history.close();
    clearTimeout(this.quietTimer);
    for (const { timer } of this.held.values()) clearTimeout(timer);
    await this.thread.close();
  }

  // ---- inside

  async send(id, text, files) {
    try {
      // The agent must find the message in the thread, and messages overtake the document.
      await this.thread.flush();
      const agent = this.room.named(this.agent);
      if (!agent) return this.hold(id, text, files);
      this.turns.update(id, { state: "sending", to: agent.id });
      await this.greet(agent);
      const attachments = files.map((path) => ({ path }));
      await this.room.tell(agent, "chat", { path: this.path, text, id, ...(files.length && { attachments }) });
      if (this.turns.get(id)?.state === "sending") this.turns.update(id, { state: "thinking" });
    } catch (error) {
      this.turns.end(id, { state: "failed", error: error.message });
    }
  }

  /** Keep what was said until the agent is there, for a while. */
  hold(id, text, files) {
    if (this.turns.get(id)?.state === "cancelled") return;
    this.turns.update(id, { state: "waiting" });
    const timer = setTimeout(() => this.giveUp(id), this.holdMs);
    this.held.set(id, { text, files, timer });
  }

  giveUp(id) {
    this.held.delete(id);
    if (this.turns.get(id)?.state === "waiting") this.turns.end(id, { state: "lost", cause: "absent" });
  }

  /** The agent is here: it hears what was said meanwhile, in that order. */
  async release() {
    for (const [id, { text, files, timer }] of [...this.held]) {
      clearTimeout(timer);
      this.held.delete(id);
      if (this.turns.get(id)?.state === "waiting") await this.send(id, text, files);
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
    this.history.load();
    this.look();
  }

  look() {
    const agent = this.room.named(this.agent);
    this.isPresent.value = agent !== null;
    if (agent) this.see(agent.attributes[`thread.status.${this.path}`]);
    if (agent && this.thread.isReady && this.heardFor !== agent.id) this.greet(agent).catch(() => {});
    if (agent && this.thread.isReady && this.held.size) this.release();
  }

  left(participant) {
    if (!isAgentNamed(participant, this.agent)) return;
    this.heardFor = "";
    for (const turn of this.turns.running()) {
      // Another of that name, which was not asked, may leave; who waits for the agent is not lost with it.
      if (turn.state !== "waiting" && (!turn.to || turn.to === participant.id)) this.turns.end(turn.id, { state: "lost", cause: "left" });
    }
  }

  lost() {
    this.heardFor = "";
    this.isReady.value = false;
    this.isPresent.value = false;
    for (const turn of this.turns.running()) {
      if (turn.state !== "waiting") this.turns.end(turn.id, { state: "lost", cause: "connection", seenChars: this.answerOf(turn.id)?.text.length ?? 0 });
    }
  }

  read() {
    const entries = this.thread.entries;
    this.entries.value = entries;
    this.members.value = this.thread.members;
    this.typists.forget(entries.at(-1)?.author);
    if (this.quietTimer) this.waitForQuiet();
    for (const turn of this.turns.values()) {
      // We lost the connection, the agent went on.
      if (turn.cause === "connection" && (this.answerOf(turn.id)?.text.length ?? 0) > turn.seenChars) {
        this.turns.update(turn.id, { state: "done", cause: undefined, tookMs: null });
      }
    }
    for (const turn of this.turns.values()) {
      if (turn.state !== "thinking" && turn.state !== "sending") continue;
      const answer = this.answerOf(turn.id);
      if (answer) this.turns.update(turn.id, { state: "answering", firstMs: Date.now() - turn.startedAt });
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
    return entries.slice(asked + 1).findLast((entry) => entry.author === this.agent && !this.turns.get(entry.turnId) && isText(entry)) ?? null;
  }

  heard({ from, type, message }) {
    if (message.path !== this.path) return;
    const sender = this.room.participants.get(from);
    if (type === "typing") {
      const name = sender?.attributes.name;
      if (name && name !== this.agent) this.typists.heard(name);
      return;
    }
    if (!sender || !isAgentNamed(sender, this.agent)) return;
    const id = typeof message.turn_id === "string" ? message.turn_id : "";
    if (type === "listening") {
      this.listening.splice(0).forEach((resolve) => resolve());
    } else if (type === "thinking" && message.thinking === true) {
      this.begin(id);
    } else if (type === "thinking") {
      this.finish(id, message.ended);
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
    if (turn) this.turns.update(turn.id, { status: text.slice(0, 100) });
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
    const turn = id ? this.turns.get(id) : this.current.value;
    if (turn) return this.turns.update(turn.id, { isNamed: true, ...(turn.state === "sending" && { state: "thinking" }) });
    this.turns.begin(id || crypto.randomUUID(), { state: "thinking", isNamed: true, mine: false });
  }

  /** @param {unknown} ended  what our agents say became of it: done, cancelled, cut */
  finish(id, ended = "done") {
    const turn = this.turns.get(id) ?? (id ? null : this.current.value);
    if (!turn || !RUNNING.has(turn.state)) return;
    if (ended === "cancelled") return this.turns.end(turn.id, { state: "cancelled", byOther: true });
    if (ended === "cut") return this.turns.end(turn.id, { state: "lost", cause: "stopped" });
    const tookMs = Date.now() - turn.startedAt;
    if (this.answerOf(turn.id)) return this.turns.end(turn.id, { state: "done", tookMs });
    // Messages overtake the document: the answer may be a moment behind.
    setTimeout(() => {
      if (!RUNNING.has(this.turns.get(turn.id)?.state)) return;
      this.turns.end(turn.id, { state: this.answerOf(turn.id) ? "done" : "unanswered", tookMs });
    }, SETTLE_MS);
  }

  logged({ type, data }) {
    if (typeof type !== "string" || !data || typeof data !== "object" || data.path !== this.path) return;
    if (type !== "llm.step") this.turns.note(data.turn_id, type, data);
    if (type === "llm.ended" || (type === "llm.step" && data.kind === "turn")) this.history.loadSoon();
  }
}
