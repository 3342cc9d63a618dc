/** The room's side of shared documents for tests: one Yjs document a path, changes relayed to whoever has it open. */

import * as Y from "yjs";
import { fromBase64, toBase64 } from "../src/room/shared_document.js";

const text = (data) => new TextDecoder().decode(data);
const encoded = (update) => new TextEncoder().encode(toBase64(update));

export class FakeDocuments {
  constructor() {
    /** @type {Map<string, Y.Doc>} */
    this.docs = new Map();
    this.open = new Map();
    this.opens = [];
  }

  /** For `FakeServer`: true when the message was about a document. */
  handle(socket, { type, header, data, ...message }) {
    const { path } = header;
    if (type === "room.connect") {
      this.opens.push(header);
      if (!this.docs.has(path)) {
        if (!header.create) return socket.answer(message, { type: "error", text: `no document ${path}`, code: 1003 }) ?? true;
        this.make(path);
      }
      if (this.open.get(socket)?.has(path)) return socket.answer(message, { type: "error", text: `already connected to ${path}`, code: 1005 }) ?? true;
      socket.answer(message, { type: "json", json: { schema: {} } });
      socket.push("room.sync", { path }, encoded(Y.encodeStateAsUpdate(this.docs.get(path))));
      this.open.set(socket, (this.open.get(socket) ?? new Set()).add(path));
    } else if (type === "room.sync") {
      Y.applyUpdate(this.docs.get(path), fromBase64(text(data)), socket);
      socket.answer(message);
    } else if (type === "room.disconnect") {
      this.open.get(socket)?.delete(path);
      socket.answer(message);
    } else return undefined;
    return true;
  }

  make(path) {
    const doc = new Y.Doc();
    this.docs.set(path, doc);
    const root = doc.getXmlFragment("xml");
    root.insert(0, [new Y.XmlElement("members"), new Y.XmlElement("messages")]);
    doc.on("update", (update, origin) => {
      for (const [socket, paths] of this.open) {
        if (socket !== origin && socket.isOpen && paths.has(path)) socket.push("room.sync", { path }, encoded(update));
      }
    });
    return doc;
  }

  messages(path) {
    return this.docs.get(path).getXmlFragment("xml").get(1);
  }

  /** An agent writes. */
  write(path, attributes) {
    const element = new Y.XmlElement("message");
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    const messages = this.messages(path);
    messages.insert(messages.length, [element]);
    return element;
  }
}
