/**
 * What the threads of an agent are called: a shared document beside them, so that everybody calls them the same.
 *
 * Theory: it is a thread itself, which has an entry for each thread that was given a name or taken away; the
 * newest entry of a path counts.  Nobody talks in it, and it is not listed.
 */

import { signal } from "@preact/signals";
import { Thread, threadsFolder } from "./thread.js";

const MAX_TITLE_CHARS = 80;
const MAX_ENTRIES = 1_000;
export const TITLES_FILE = ".titles.thread";

export class ThreadTitles {
  /** @param {import("./client.js").RoomClient} room  @param {string} agent */
  constructor(room, agent) {
    this.room = room;
    this.thread = new Thread(room, `${threadsFolder(agent)}/${TITLES_FILE}`);
    /** @type {import("@preact/signals").Signal<Map<string, {title: string, isDeleted: boolean}>>} by path */
    this.all = signal(new Map());
    this.isReady = signal(false);
    this.thread.on("change", () => (this.all.value = titlesOf(this.thread.entries)));
    this.thread.on("ready", () => (this.isReady.value = true));
  }

  /** Call a thread so for everybody. */
  rename(path, title) {
    const clean = title.trim().replace(/\s+/g, " ").slice(0, MAX_TITLE_CHARS);
    if (clean) this.note(path, clean);
  }

  /** Call a thread by the first words that were said in it, unless it is called something. */
  nameBy(path, said) {
    const known = this.all.peek().get(path);
    if (this.isReady.peek() && (!known || known.isDeleted)) this.rename(path, firstWords(said));
  }

  /** List it no more. */
  remove(path) {
    this.note(path, "");
  }

  close() {
    return this.thread.close();
  }

  note(path, title) {
    if (this.thread.entries.length >= MAX_ENTRIES) this.thread.shorten(MAX_ENTRIES / 2);
    this.thread.say({ id: path, author: this.room.name, text: title });
  }
}

/** Entries of the document by path.  Pure. */
export function titlesOf(entries) {
  const titles = new Map();
  for (const { id, text } of entries) if (id) titles.set(id, { title: text, isDeleted: text === "" });
  return titles;
}

const MARKS_OF_LINES = /^[ \t]*(?:(?:#{1,6}|>+)[ \t]+)+/gm;
/* At the edge of a word alone: a_name, 2 * 3 and x > y are what was said. */
const MARKS = /`|~~|(?<!\w)[*_]+(?=\S)|(?<=\S)[*_]+(?!\w)/g;

/** The beginning of what somebody said, as a title.  Pure. */
export function firstWords(said) {
  const plain = said.replace(/```[\s\S]*?(```|$)/g, " ").replace(MARKS_OF_LINES, "").replace(MARKS, "");
  const line = plain.trim().split(/\n/)[0].trim().replace(/\s+/g, " ");
  if (line.length <= 48) return line;
  const cut = line.slice(0, 48);
  return `${cut.slice(0, cut.lastIndexOf(" ") > 24 ? cut.lastIndexOf(" ") : 48)}…`;
}
