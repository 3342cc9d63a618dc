/**
 * A chat thread: a shared document with `<members>` and `<messages>`, read as plain objects.
 *
 * Others write here too, at any time and badly: every read tolerates missing attributes, wrong types and unknown
 * tags.  An entry that did not change is the same object as before, so what shows it need not be drawn again.
 */

import * as Y from "yjs";
import { Emitter } from "./emitter.js";
import { SharedDocument } from "./shared_document.js";

const MAX_TEXT_CHARS = 250_000;

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} kind       message, exec, event, reasoning, ui
 * @property {string} author
 * @property {string} role
 * @property {string} text
 * @property {string} turnId
 * @property {string} at         ISO time, empty when unknown
 * @property {string[]} files    paths in the room
 * @property {Record<string, any>} values   every attribute, as it stands
 */

/** Events: `change` after each change · `ready` · `error`. */
export class Thread extends Emitter {
  /** @param {import("./client.js").RoomClient} room  @param {string} path */
  constructor(room, path) {
    super();
    this.path = path;
    this.document = new SharedDocument(room, path);
    /** @type {Entry[]} */
    this.entries = [];
    this.cache = new Map();
    this.document.on("ready", () => {
      this.watch();
      this.emit("ready");
    });
    this.document.on("replaced", () => this.watch());
    this.document.on("error", (error) => this.emit("error", error));
  }

  get isReady() {
    return this.document.isReady;
  }

  ready() {
    return this.document.ready();
  }

  /** @returns {string[]} */
  get members() {
    return [...new Set(elements(this.part("members")).map((one) => text(one, "name")).filter(Boolean))];
  }

  /** Take part: only members are told of answers. */
  join(...names) {
    const missing = names.filter((name) => !this.members.includes(name));
    if (missing.length) this.document.transact(() => missing.forEach((name) => append(this.part("members", true), "member", { name })));
  }

  /** Say something. */
  say({ id, author, text, files = [] }) {
    this.document.transact(() => {
      const message = append(this.part("messages", true), "message", {
        id,
        author_name: author,
        role: "user",
        text: text.slice(0, MAX_TEXT_CHARS),
        created_at: new Date().toISOString(),
      });
      for (const path of files) append(message, "file", { path });
    });
  }

  /** Have entries of another thread, as they stand there. */
  take(entries) {
    this.document.transact(() => {
      for (const { kind, values, files } of entries) {
        const entry = append(this.part("messages", true), kind, values);
        for (const path of files) append(entry, "file", { path });
      }
    });
  }

  /** Forget the oldest entries but so many. */
  shorten(count) {
    const messages = this.part("messages");
    const over = (messages?.length ?? 0) - count;
    if (over > 0) this.document.transact(() => messages.delete(0, over));
  }

  /** Forget everything that was said; for a thread whose agent is away. */
  clear() {
    const messages = this.part("messages");
    if (messages?.length) this.document.transact(() => messages.delete(0, messages.length));
  }

  flush() {
    return this.document.flush();
  }

  close() {
    return this.document.close();
  }

  // ---- inside

  part(tag, make = false) {
    const found = elements(this.document.root).find((one) => one.nodeName === tag);
    return found ?? (make ? append(this.document.root, tag, {}) : null);
  }

  watch() {
    if (this.watched !== this.document.doc) {
      this.watched = this.document.doc;
      this.cache.clear();
      this.document.root.observeDeep((events) => this.changed(events));
    }
    this.read();
  }

  changed(events) {
    const messages = this.part("messages");
    for (const { target } of events) {
      let node = target;
      while (node && node.parent !== messages) node = node.parent;
      if (node) this.cache.delete(node);
    }
    this.read();
  }

  read() {
    const kept = new Map();
    this.entries = elements(this.part("messages")).map((element) => {
      const entry = this.cache.get(element) ?? entryOf(element);
      kept.set(element, entry);
      return entry;
    });
    this.cache = kept;
    this.emit("change");
  }
}

/** The folder of an agent's threads. */
export function threadsFolder(agent) {
  return `.threads/${segment(agent)}`;
}

/** A person's own thread with an agent: the one that `bulkhead chat` opens too. */
export function ownThread(agent, person) {
  return `${threadsFolder(agent)}/${segment(person)}.thread`;
}

/** A thread that is not there yet: by its second, or the next that is not taken. */
export function newThread(agent, person, now = new Date(), taken = []) {
  const stamp = now.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const path = `${threadsFolder(agent)}/${segment(person)}-${stamp}.thread`;
  return taken.includes(path) ? newThread(agent, person, new Date(now.getTime() + 1000), taken) : path;
}

/** A participant's name as one part of a path; the same rule as the command line's. */
export function segment(name) {
  return name.replace(/[^\p{L}\p{N}._@-]/gu, "_").replace(/^\.+|\.+$/g, "") || "_";
}

function entryOf(element) {
  const values = element.getAttributes();
  return {
    id: text(element, "id") || text(element, "$id"),
    kind: element.nodeName,
    author: text(element, "author_name"),
    role: text(element, "role"),
    text: text(element, "text"),
    turnId: text(element, "turn_id"),
    at: text(element, "created_at"),
    files: elements(element)
      .filter((child) => child.nodeName === "file")
      .map((child) => text(child, "path"))
      .filter(Boolean),
    values,
  };
}

function elements(parent) {
  return parent ? parent.toArray().filter((child) => child instanceof Y.XmlElement) : [];
}

function text(element, name) {
  const value = element.getAttribute(name);
  return typeof value === "string" ? value : "";
}

function append(parent, tag, attributes) {
  const element = new Y.XmlElement(tag);
  element.setAttribute("$id", crypto.randomUUID());
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.insert(parent.length, [element]);
  return element;
}
