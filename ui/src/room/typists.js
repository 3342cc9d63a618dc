/** Who else is writing in a thread; each is forgotten a moment after it was told. */

import { signal } from "@preact/signals";

const SHOWN_MS = 4_000;

export class Typists {
  constructor() {
    /** @type {import("@preact/signals").Signal<string[]>} */
    this.names = signal([]);
    this.seen = new Map();
    this.timer = null;
  }

  heard(name) {
    this.seen.set(name, Date.now());
    this.show();
    this.timer ??= setInterval(() => this.show(), 1_000);
  }

  /** It was said. */
  forget(name) {
    if (this.seen.delete(name)) this.show();
  }

  close() {
    clearInterval(this.timer);
    this.timer = null;
  }

  show() {
    const now = Date.now();
    for (const [name, at] of this.seen) if (now - at > SHOWN_MS) this.seen.delete(name);
    const names = [...this.seen.keys()];
    if (names.join() !== this.names.value.join()) this.names.value = names;
    if (!names.length) this.close();
  }
}
