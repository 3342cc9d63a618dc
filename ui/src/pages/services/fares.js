/** How a kept service fares, in a word and a sentence.  Pure. */

/** In one room: `{tone, word, sentence}` of a state as the server tells it. */
export function inRoom(state) {
  const warning = [...(state.events ?? [])].reverse().find((one) => one.type === "Warning");
  if (state.state === "scheduled") return { tone: "bad", word: "restarting", sentence: state.last_start_error || warning?.message || "" };
  if (state.state === "starting") return { tone: "busy", word: "starting", sentence: "" };
  if (state.state === "failed") return { tone: "bad", word: "failed", sentence: state.last_start_error || warning?.message || "" };
  if (state.state !== "running") return { tone: "idle", word: state.state, sentence: "" };
  if (state.last_start_error_at > (state.started_at ?? 0)) return { tone: "warn", word: "running", sentence: `The newest revision did not get live: ${state.last_start_error}. The one before goes on.` };
  if ((state.status?.ports ?? []).some((port) => port.liveness_status === "not_ready")) return { tone: "warn", word: "not answering", sentence: "" };
  return { tone: "ok", word: "running", sentence: "" };
}

const WORST = ["bad", "warn", "busy", "ok", "idle"];

/** Everywhere: the worst of its rooms. */
export function everywhere(service) {
  if (!service.is_enabled) return { tone: "idle", word: "disabled", sentence: "" };
  const rooms = Object.values(service.states).map(inRoom);
  if (!rooms.length) return { tone: "idle", word: "waiting", sentence: service.room ? "It starts when somebody enters its room." : "It starts in every room that somebody enters." };
  const worst = rooms.sort((a, b) => WORST.indexOf(a.tone) - WORST.indexOf(b.tone))[0];
  const same = rooms.filter((one) => one.word === worst.word).length;
  return rooms.length > 1 ? { ...worst, word: same === rooms.length ? `${worst.word} in ${same} rooms` : `${worst.word} in ${same} of ${rooms.length} rooms` } : worst;
}
