/** What is going on in a chat, or became of it, below what was said. */

import { cx, html, useEffect, useState } from "../../core/html.js";
import { duration } from "../../core/format.js";
import { now, serverNow, sessions } from "../../core/live.js";
import { url } from "../../core/router.js";
import { Dot } from "../../parts/badge.js";
import { crashSentence, endSentence } from "./crash_words.js";
import { lastRowOf } from "./people.js";

const UNANSWERED_MS = 20_000;
const LONG_S = 4;

/** What became of a turn, where it is not plain from the answer. */
export function TurnState({ view, room, chat, turn }) {
  const again = () => chat.retry(turn.id);
  const retry = chat.isPresent.value
    ? html`<button type="button" class="button small" onClick=${again}>Ask again</button>`
    : html`<span class="muted">You can ask again when it is back.</span>`;
  const isNext = turn.id === chat.current.value?.id;
  switch (turn.state) {
    case "waiting":
      return html`<p class="turn-state muted" role="status">${chat.agent} hears this as soon as it is in the room.<${Elapsed} since=${turn.startedAt} /></p>`;
    case "sending":
    case "thinking":
      if (!isNext) return html`<p class="turn-state muted">Its turn comes when the answer above is over.</p>`;
      return html`<p class="turn-state thinking"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span>${turn.state === "sending" ? "Sending…" : turn.status ? `${chat.agent}: ${turn.status}` : `${chat.agent} is thinking…`}</span><${Elapsed} since=${turn.startedAt} /></p>`;
    case "cancelled":
      return html`<p class="turn-state muted">${turn.byOther ? "The answer was stopped" : "You stopped the answer"}${turn.tookMs ? ` after ${duration(turn.tookMs / 1000)}` : ""}.</p>`;
    case "unanswered":
      return html`<p class="turn-state muted">${chat.agent} did not answer${chat.members.value.length > 2 ? `: with several people in a thread it answers what is meant for it. Name it: “${chat.agent}, …”` : "."} <button type="button" class="button small" onClick=${again}>Ask ${chat.agent}</button></p>`;
    case "failed":
      return html`<div class="notice tone-bad turn-state" role="alert"><${Dot} tone="bad" /><p>Not sent: ${turn.error}</p><button type="button" class="button small" onClick=${again}>Try again</button></div>`;
    case "lost":
      return html`<${Lost} room=${room} chat=${chat} turn=${turn} retry=${retry} />`;
    default:
      return null;
  }
}

/** How long it has been going on, once that is worth telling. */
function Elapsed({ since }) {
  const seconds = (now.value - (serverNow() - Date.now()) - since) / 1000;
  return seconds < LONG_S ? null : html`<span class="muted">${duration(Math.floor(seconds))}</span>`;
}

/** An answer that will not come any more: the agent ended in its middle, or one of us lost the room. */
function Lost({ room, chat, turn, retry }) {
  const row = lastRowOf(sessions.value, room, chat.agent);
  const crashed = turn.cause === "left" && row?.crashed;
  const why = crashed ? crashSentence(row) : turn.cause === "left" || turn.cause === "stopped" ? endSentence(row) : "";
  const what = {
    absent: `${chat.agent} was not in the room. Your message stands in the thread.`,
    stopped: `${chat.agent} was stopped in the middle of the answer.`,
    connection: "The connection to the room was lost in the middle of the answer.",
    left: `${chat.agent} ${crashed ? "crashed" : "left the room"} in the middle of the answer.`,
  }[turn.cause];
  return html`<div class=${cx("notice", "turn-state", crashed ? "tone-bad" : "tone-warn")} role="alert">
    <${Dot} tone=${crashed ? "bad" : "warn"} />
    <div class="lost-text">
      <p><strong>${what}</strong>${why && ` ${why}`}</p>
      <p class="lost-ways">${crashed && html`<a href=${url("/sessions", row.id, "crash")}>Read the crash report</a>`}${retry}</p>
    </div>
  </div>`;
}

/** A question that nobody works on: asked before this page was opened, or while the agent was away. */
export function AskAgain({ view, chat }) {
  const [, look] = useState(0);
  const last = chat.entries.value.at(-1);
  const waits = last?.kind === "message" && last.author !== chat.agent && last.role !== "agent" && !chat.turns.get(last.id) && chat.current.value === null;
  const age = waits ? Date.now() - (Date.parse(last.at) || 0) : 0;
  useEffect(() => {
    if (!waits || age > UNANSWERED_MS) return undefined;
    const timer = setTimeout(() => look((n) => n + 1), UNANSWERED_MS - age + 50);
    return () => clearTimeout(timer);
  }, [last?.id, waits]);
  if (!waits || age < UNANSWERED_MS || last.author !== view.person || !chat.isPresent.value) return null;
  return html`<p class="turn-state muted">There is no answer to this. <button type="button" class="button small" onClick=${() => chat.retry(last.id)}>Ask again</button></p>`;
}

export function Typing({ chat }) {
  const names = chat.typists.names.value;
  if (!names.length) return null;
  const who = names.length > 2 ? `${names.length} people are` : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"}`;
  return html`<p class="turn-state muted"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span>${who} writing…</span></p>`;
}
