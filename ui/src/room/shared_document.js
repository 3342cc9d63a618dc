/**
 * One shared document (Yjs) of a room: opened, kept in step, and opened again after a lost connection.
 *
 * Theory: what the room pushes is applied with the document itself as origin and never sent back.  Own changes
 * gather for a moment and go out one request at a time, so the room gets them in order.  After a reconnection
 * the room sends its whole state; what it lacks of ours goes out then.
 */

import * as Y from "yjs";
import { CODE_NOT_FOUND } from "./client.js";
import { Emitter } from "./emitter.js";

const GATHER_MS = 10;

/** Events: `ready` when the state is here, again after each reconnection · `replaced` (a new `doc`) · `error`. */
export class SharedDocument extends Emitter {
  /** @param {import("./client.js").RoomClient} room  @param {string} path */
  constructor(room, path) {
    super();
    this.room = room;
    this.path = path;
    this.isReady = false;
    this.isConnected = false;
    this.isClosed = false;
    this.wasOpen = false;
    this.error = null;
    this.unsent = [];
    this.waiters = [];
    this.fresh();
    this.stops = [
      room.on("open", () => this.open()),
      room.on("lost", () => this.pause()),
      room.on("push:room.sync", (message) => message.header.path === path && this.pushed(message.data)),
    ];
    if (room.state === "open") this.open();
  }

  /** The root element. @returns {Y.XmlFragment} */
  get root() {
    return this.doc.getXmlFragment("xml");
  }

  /** Resolves once the document's state is here. */
  ready() {
    if (this.isReady) return Promise.resolve();
    if (this.error) return Promise.reject(this.error);
    return new Promise((resolve, reject) => {
      const stops = [
        this.on("ready", () => finish(resolve)),
        this.on("error", (error) => finish(() => reject(error))),
      ];
      const finish = (then) => {
        stops.forEach((stop) => stop());
        then();
      };
    });
  }

  /** Change the document; what `change` does goes out as one update. */
  transact(change) {
    this.doc.transact(change, "local");
  }

  /** Resolves once the room has every change made so far. */
  flush() {
    if (!this.unsent.length && !this.sending) return Promise.resolve();
    this.send();
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  /** Leave the document; whoever opens the same path next waits until it is left. */
  close() {
    if (this.isClosed) return Promise.resolve();
    this.isClosed = true;
    this.stops.forEach((stop) => stop());
    const paths = leaving(this.room);
    const left = this.leave().finally(() => paths.get(this.path) === left && paths.delete(this.path));
    paths.set(this.path, left);
    return left;
  }

  // ---- inside

  fresh() {
    this.doc?.destroy();
    this.doc = new Y.Doc();
    this.doc.on("update", (update, origin) => {
      if (origin === this) return;
      this.unsent.push(update);
      if (this.isReady) setTimeout(() => this.send(), GATHER_MS);
    });
  }

  async leave() {
    const { room, path } = this;
    if (this.isReady) await this.flush().catch(() => {});
    await this.opening;
    if (this.isConnected && room.state === "open") await room.request("room.disconnect", { path }).catch(() => {});
    this.doc.destroy();
  }

  open() {
    this.opening = this.connect();
  }

  async connect() {
    const { room, path } = this;
    // A participant is connected to a path once.
    await leaving(room).get(path);
    if (this.isClosed) return;
    try {
      // Not made anew after a reconnection: fresh children would stand beside those that we bring.
      await room.request("room.connect", { path, create: !this.wasOpen });
      this.isConnected = true;
    } catch (error) {
      if (this.isClosed || error.code === null) return; // gone again: there will be another `open`
      if (this.wasOpen && error.code === CODE_NOT_FOUND) {
        this.wasOpen = false;
        this.unsent = [];
        this.fresh();
        this.emit("replaced");
        return this.connect();
      }
      this.error = error;
      this.emit("error", error);
      this.settle(error);
    }
  }

  pause() {
    this.isConnected = false;
    this.isReady = false;
    this.sending = false;
  }

  pushed(data) {
    let update;
    try {
      update = fromBase64(new TextDecoder().decode(data));
      Y.applyUpdate(this.doc, update, this);
    } catch (error) {
      this.error = new Error(`The document ${this.path} cannot be read: ${error.message}`);
      this.emit("error", this.error);
      return;
    }
    if (this.isReady) return;
    if (this.wasOpen) {
      const missing = Y.encodeStateAsUpdate(this.doc, Y.encodeStateVectorFromUpdate(update));
      this.unsent = missing.length > 2 ? [missing] : [];
    }
    this.error = null;
    this.wasOpen = this.isReady = true;
    this.emit("ready");
    this.send();
  }

  async send() {
    if (this.sending || !this.isReady) return;
    this.sending = true;
    try {
      while (this.unsent.length && this.isReady) {
        const updates = this.unsent;
        const update = updates.length === 1 ? updates[0] : Y.mergeUpdates(updates);
        this.unsent = [];
        const encoded = new TextEncoder().encode(toBase64(update));
        await this.room.request("room.sync", { path: this.path }, encoded);
      }
      this.sending = false;
      if (this.isReady) this.settle(null);
    } catch (error) {
      this.sending = false;
      if (error.code === null && this.room.state !== "open") return; // sent again once the room is back
      this.settle(error);
      this.error = error;
      this.emit("error", error);
    }
  }

  settle(error) {
    const waiters = this.waiters;
    this.waiters = [];
    for (const { resolve, reject } of waiters) error ? reject(error) : resolve();
  }
}

const leavings = new WeakMap();

/** The documents that a client is about to leave: promises by path. */
function leaving(room) {
  if (!leavings.has(room)) leavings.set(room, new Map());
  return leavings.get(room);
}

export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
