/** The turns of a chat, by the id of the message that asked for each; the oldest are forgotten.  Pure but for the clock. */

import { computed, signal } from "@preact/signals";

const KEPT = 200;
const MAX_FACTS = 100;

/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {"waiting"|"sending"|"thinking"|"answering"|"done"|"cancelled"|"lost"|"unanswered"|"failed"} state
 *   waiting: for the agent, which is not in the room
 * @property {boolean} mine
 * @property {boolean} [isNamed]   the agent said that it works on it, so it will say when it is done
 * @property {number} startedAt     ms since the epoch
 * @property {number|null} firstMs  until its first text
 * @property {number|null} tookMs
 * @property {string} [to]         the participant that was asked
 * @property {"absent"|"left"|"stopped"|"connection"} [cause]   why it was lost: the agent was not there, it left,
 *   somebody or the server stopped it, or we lost the connection
 * @property {number} [seenChars]  how much of the answer was there when the connection was lost
 * @property {boolean} [byOther]   it was not we who cancelled it
 * @property {string} [error]
 * @property {string} [status]     what the agent says it is doing
 * @property {object[]} facts       what the developer log said about it: {type, data, at}
 */

export const RUNNING = new Set(["waiting", "sending", "thinking", "answering"]);

export class Turns {
  constructor() {
    /** @type {import("@preact/signals").Signal<Map<string, Turn>>} */
    this.all = signal(new Map());
    /** The one that is worked on: what was said after it waits for its end. */
    this.current = computed(() => {
      const running = [...this.all.value.values()].filter((turn) => RUNNING.has(turn.state));
      return running.find((turn) => turn.state === "answering") ?? running.find((turn) => turn.isNamed) ?? running[0] ?? null;
    });
  }

  get(id) {
    return this.all.value.get(id);
  }

  values() {
    return [...this.all.value.values()];
  }

  running() {
    return this.values().filter((turn) => RUNNING.has(turn.state));
  }

  /** @param {Partial<Turn>} [more] */
  begin(id, more = {}) {
    this.all.peek().delete(id); // asked again it comes last
    this.put({ id, state: "sending", mine: true, startedAt: Date.now(), firstMs: null, tookMs: null, facts: [], ...more });
  }

  end(id, changes) {
    const turn = this.get(id);
    if (turn) this.put({ ...turn, tookMs: Date.now() - turn.startedAt, ...changes });
  }

  update(id, changes) {
    const turn = this.get(id);
    if (turn) this.put({ ...turn, ...changes });
  }

  /** The developer log said something about a turn; what names none is about the one that is worked on. */
  note(id, type, data) {
    const turn = this.get(id) ?? this.current.value;
    if (turn && turn.facts.length < MAX_FACTS) this.update(turn.id, { facts: [...turn.facts, { type, data, at: Date.now() }] });
  }

  clear() {
    this.all.value = new Map();
  }

  put(turn) {
    const turns = new Map(this.all.value);
    turns.set(turn.id, turn); // a change leaves it in its place: the order is that of the questions
    for (const id of turns.keys()) {
      if (turns.size <= KEPT) break;
      turns.delete(id);
    }
    this.all.value = turns;
  }
}
