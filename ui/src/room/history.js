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
