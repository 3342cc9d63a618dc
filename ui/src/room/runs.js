/** Runs of tasks and tools in a room: ours with their results, everybody's as far as the journal remembers them. */

import { signal } from "@preact/signals";
import { readJournal, readWhole } from "./history.js";

const KEPT = 200;

/**
 * @typedef {object} RunState
 * @property {string} key
 * @property {string} [run]    the room's id for it
 * @property {"task"|"tool"} kind
 * @property {string} name     of the agent, or the toolkit
 * @property {string} tool     empty for a task
 * @property {string} by
 * @property {boolean} isMine  of this page
 * @property {any} input
 * @property {number} at       ms since the epoch
 * @property {number|null} tookMs  null while it runs, or when its end was never told
 * @property {any} [content]
 * @property {string} [error]
 * @property {number[]} [ids]  entries of the journal where the whole of it stands
 */

export class Runs {
  /** @param {import("./client.js").RoomClient} room */
  constructor(room) {
    this.room = room;
    /** @type {import("@preact/signals").Signal<RunState[]>} newest first */
    this.all = signal([]);
    this.aborts = new Map();
    this.count = 0;
    this.stops = [
      room.on("open", () => this.load()),
      room.on("push:developer.log", ({ header }) => this.heard(header)),
    ];
  }

  close() {
    this.stops.forEach((stop) => stop());
  }

  /** Read what the room remembers; what runs for us stays as it is. */
  async load() {
    const entries = await readJournal(this.room, { types: ["run."] }).catch(() => []);
    const known = new Set(this.all.peek().map((one) => one.run).filter(Boolean));
    const fresh = runsOf(entries).filter((one) => !known.has(one.run));
    this.all.value = [...this.all.peek(), ...fresh].sort((a, b) => b.at - a.at).slice(0, KEPT);
  }

  /**
   * Run something, and keep what comes of it.
   * @param {{kind: "task"|"tool", name: string, tool?: string, input: any}} what
   * @param {(input: any, signal: AbortSignal) => Promise<any>} work  resolves to a content
   * @returns {Promise<RunState>} once it is over
   */
  async start({ kind, name, tool = "", input }, work) {
    const key = `own ${(this.count += 1)}`;
    const abort = new AbortController();
    this.aborts.set(key, abort);
    const at = Date.now();
    this.put({ key, kind, name, tool, by: this.room.name, isMine: true, input, at, tookMs: null });
    const outcome = {};
    try {
      outcome.content = await work(input, abort.signal);
    } catch (error) {
      outcome.error = abort.signal.aborted ? "You stopped it." : `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}`;
    }
    this.aborts.delete(key);
    this.update(key, { ...outcome, tookMs: Date.now() - at });
    return this.all.value.find((one) => one.key === key);
  }

  /** End a run of ours. */
  stop(key) {
    this.aborts.get(key)?.abort();
  }

  /** The whole of a run whose long values were left out. */
  async whole(run) {
    const entries = await readWhole(this.room, run.ids ?? []);
    const [found] = runsOf(entries);
    if (found) this.update(run.key, { input: found.input, content: found.content, error: found.error, ids: [] });
  }

  // ---- inside

  heard({ type, data }) {
    if (!data || typeof data !== "object" || typeof data.run !== "string") return;
    if (type === "run.started") {
      const own = this.all.peek().findLast((one) => one.isMine && !one.run && one.kind === data.kind && one.name === data.name && one.tool === data.tool);
      if (data.caller === this.room.selfId && own) this.update(own.key, { run: data.run });
      else this.put(started({ data, at: Date.now(), by: data.by }));
    } else if (type === "run.ended") {
      const one = this.all.peek().find((each) => each.run === data.run);
      if (one && !one.isMine) this.update(one.key, ended({ data, at: Date.now() }, one));
    }
  }

  put(run) {
    this.all.value = [run, ...this.all.peek()].slice(0, KEPT);
  }

  update(key, changes) {
    this.all.value = this.all.peek().map((one) => (one.key === key ? { ...one, ...changes } : one));
  }
}

/** Entries of the journal as runs, newest first; an end without its beginning is none.  Pure. */
export function runsOf(entries) {
  const runs = new Map();
  for (const entry of entries) {
    const { run } = entry.data;
    if (typeof run !== "string") continue;
    if (entry.type === "run.started") runs.set(run, started(entry));
    else if (entry.type === "run.ended" && runs.has(run)) runs.set(run, { ...runs.get(run), ...ended(entry, runs.get(run)) });
  }
  return [...runs.values()].reverse();
}

function started({ id, at, by, data }) {
  const text = (value) => (typeof value === "string" ? value : "");
  return { key: data.run, run: data.run, kind: data.kind === "task" ? "task" : "tool", name: text(data.name), tool: text(data.tool), by: text(by) || text(data.by), isMine: false, input: plain(data.input), at, tookMs: null, ids: id ? [id] : [] };
}

function ended({ id, at, data }, run) {
  const outcome = typeof data.error === "string" ? { error: data.error } : { content: contentOf(data.result) };
  return { ...outcome, tookMs: Math.max(0, at - run.at), ids: id ? [...run.ids, id] : run.ids };
}

/** A task's arguments as they were given; a tool's stand in a content. */
const plain = (input) => (input?.type === "json" && "json" in input ? input.json : input);

function contentOf(result) {
  if (!result || typeof result !== "object") return { type: "json", json: result ?? null };
  if (typeof result.cut_bytes === "number" || typeof result.type !== "string") return { type: "cut", bytes: result.cut_bytes };
  return result.type === "file" || result.type === "binary" || result.type === "stream" ? { type: "json", json: { ...result, note: "Its bytes are not kept." } } : result;
}
