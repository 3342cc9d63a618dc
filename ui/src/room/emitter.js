/** Listeners by event name; one that throws does not keep the others from hearing. */
export class Emitter {
  constructor() {
    /** @type {Map<string, Set<Function>>} */
    this.listeners = new Map();
  }

  /** Listen; returns the function that stops it. */
  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    return () => this.listeners.get(name)?.delete(listener);
  }

  emit(name, ...given) {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        listener(...given);
      } catch (error) {
        console.error(`a listener of ${name} failed`, error);
      }
    }
  }
}
