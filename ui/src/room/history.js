/** What the room's journal remembers of a thread: facts of each turn, read once and again after each turn. */

import { signal } from "@preact/signals";

const SOON_MS = 300;

/** @typedef {{id: number, at: number, type: string, data: Record<string, any>, by: string, peer: string}} Fact */

/**
 * Entries of the journal, oldest first, long values left out.
 * @param {import("./client.js").RoomClient} room
 * @param {{path?: string, types?: string[], before?: number, limit?: number}} asked
 * @returns {Promise<Fact[]>}
 */
export async function readJournal(room, asked) {
  const { entries = [] } = (await room.ask("developer.history", asked)) ?? {};
  return entries.filter((one) => one && typeof one.type === "string" && one.data && typeof one.data === "object");
}

/** Single entries, whole. @param {number[]} ids @returns {Promise<Fact[]>} */
export const readWhole = async (room, ids) => (await room.ask("developer.history", { ids }))?.entries ?? [];

export class ThreadHistory {
  /** @param {import("./client.js").RoomClient} room  @param {string} path */
  constructor(room, path) {
    this.room = room;
    this.path = path;
    /** @type {import("@preact/signals").Signal<Map<string, Fact[]>>} by the turn's id */
    this.turns = signal(new Map());
    this.timer = null;
  }

  /** Read it; a server that keeps no journal has none. */
  async load() {
    const entries = await readJournal(this.room, { path: this.path, types: ["llm."] }).catch(() => null);
    if (entries) this.turns.value = byTurn(entries, this.turns.peek());
  }

  /** Read it once what happens now has been written. */
  loadSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.load();
    }, SOON_MS);
  }

  /** Leave nothing of it in the room. */
  async forget() {
    this.turns.value = new Map();
    await this.room.request("developer.forget", { path: this.path }).catch(() => {});
  }

  close() {
    clearTimeout(this.timer);
  }
}

const AFTER_MS = 3000;

/**
 * Facts for the answers of an agent that names no turns: those of the turn within which each was written, under the
 * last one of that.  Pure.
 * @param {{id: string, kind: string, author: string, turnId: string, at: string}[]} entries  of the thread
 * @param {Map<string, Fact[]>} turns
 * @returns {Map<string, Fact[]>} by the entry's id
 */
export function factsByTime(entries, turns, agent) {
  const found = new Map();
  for (const facts of turns.values()) {
    const turn = facts.find(({ type, data }) => type === "llm.step" && data.kind === "turn")?.data;
    if (!turn) continue;
    const at = (entry) => Date.parse(entry.at);
    const within = entries.findLast((one) => !one.turnId && one.kind === "message" && one.author === agent && at(one) >= turn.began_ms && at(one) <= turn.ended_ms + AFTER_MS);
    if (within) found.set(within.id, unfolded(facts));
  }
  return found;
}

const known = new WeakMap();

/** Steps that were told when they were over, as facts of when they began and ended; the same object for the same. */
function unfolded(facts) {
  if (!known.has(facts)) known.set(facts, facts.flatMap(unfoldedOne));
  return known.get(facts);
}

function unfoldedOne(fact) {
  if (fact.type !== "llm.step") return [fact];
  const { kind, began_ms: began, ended_ms: ended, first_words_s: first, ...data } = fact.data;
  const told = (type, at, more = {}) => ({ type: `llm.${type}`, at, data: { ...data, ...more } });
  if (kind === "turn") return [told("turn", began), told("ended", ended, { ended: data.error ? "failed" : "done" })];
  if (kind === "tool") return [told("tool_call", began), told("tool_result", ended)];
  const words = Number.isFinite(first) ? [told("first_words", Math.min(ended, began + 1000 * first))] : [];
  return [told("model_request", began), ...words, told("model_answer", ended), ...("output_tokens" in data ? [told("usage", ended)] : [])];
}

/** Facts by turn; one about which nothing new is known stays the same object.  Pure. */
export function byTurn(entries, before = new Map()) {
  const turns = new Map();
  for (const entry of entries) {
    const id = entry.data.turn_id;
    if (typeof id !== "string") continue;
    if (!turns.has(id)) turns.set(id, []);
    turns.get(id).push(entry);
  }
  for (const [id, facts] of turns) {
    const was = before.get(id);
    if (was?.length === facts.length && was.at(-1).id === facts.at(-1).id) turns.set(id, was);
  }
  return turns;
}
