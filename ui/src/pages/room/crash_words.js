/** What to say about a session that ended badly: the sentence of its report as soon as there is one. */

import { signal } from "../../core/html.js";
import { onHappened } from "../../core/live.js";

const KEPT = 50;
const PLACE = / at \S*?([^/\s]+:\d+) in (\S+)$/;
const sentences = signal(new Map());

onHappened((event) => {
  if ((event.type ?? event.kind) !== "session.crashed" || !event.sentence) return;
  const fresh = new Map([...sentences.peek()].slice(-KEPT));
  fresh.set(event.session, event.sentence);
  sentences.value = fresh;
});

/** Why a session's last attempt ended; empty when it did not, or ended well. */
export function crashSentence(row) {
  if (!row?.crashed) return "";
  const last = row.exit ?? row.restart?.last_exit;
  const place = PLACE.exec(last?.message ?? "");
  const said = sentences.value.get(row.id);
  if (said) return `${said.replace(/\.$/, "")}${place && !said.includes(place[1]) ? `, at ${place[1]}` : ""}.`;
  const text = (last?.message ?? "").replace(PLACE, " at $1 in $2");
  return text && `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** How a session ended that was not to blame; empty while it runs. */
export function endSentence(row) {
  const text = row?.exit && !row.crashed ? row.exit.message ?? "" : "";
  return text && `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/[.;]$/, "")}.`;
}
