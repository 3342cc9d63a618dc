/** The chat with one agent: its threads, what was said, what is going on, and a place to write. */

import { bytes, duration, ms, percent } from "../../core/format.js";
import { cx, html, useEffect, useLayoutEffect, useRef, useState } from "../../core/html.js";
import { now, serverNow, sessions } from "../../core/live.js";
import { setQuery, url } from "../../core/router.js";
import { Dot } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Icon } from "../../parts/icon.js";
import { toastError } from "../../parts/toast.js";
import { RUNNING } from "../../room/chat.js";
import { ownThread } from "../../room/thread.js";
import { Composer } from "./composer.js";
import { crashSentence } from "./crash_words.js";
import { MessageRow } from "./message.js";
import { lastRowOf, rowOf } from "./people.js";
import { Threads } from "./threads.js";

const SHOWN_FIRST = 80;
const SHOWN_MORE = 200;
const AT_END_PX = 48;
const UNANSWERED_MS = 20_000;
const LONG_S = 4;

export function ChatTab({ view, room, asked, onCallIn }) {
  const [last, setLast] = useState("");
  const people = view.people.value;
  const agents = [...new Set(people.filter((one) => one.canChat).map((one) => one.name))];
  const to = asked.get("to") || last || agents[0] || "";
  const path = asked.get("thread") || (to && ownThread(to, view.person));
  useEffect(() => {
    if (to) setLast(to);
    view.openChat(to, path);
  }, [to, path]);
  const chat = view.chat.value;
  const other = people.find((one) => one.name === to);
  if (other && other.kind !== "human" && !people.some((one) => one.name === to && one.canChat) && view.state.value === "open" && view.agents.value !== null) {
    return html`<${NoChat} one=${other} />`;
  }
  if (!to) return html`<${Nobody} view=${view} people=${people} onCallIn=${onCallIn} />`;
  if (!chat || chat.agent !== to || chat.path !== path) return html`<${Loading} rows=${3} label="Opening the chat" />`;
  return html`<${ChatPane} key=${`${to} ${path}`} view=${view} room=${room} chat=${chat} agents=${agents} onCallIn=${onCallIn} />`;
}

function Nobody({ view, people, onCallIn }) {
  if (view.state.value !== "open" || view.agents.value === null) return html`<${Loading} rows=${3} label="Entering the room" />`;
  const others = people.filter((one) => one.kind !== "human");
  return html`<${Empty} icon="rooms" title="Nobody to chat with is here">
    <p>${others.length ? "Those who are here run tasks or offer tools: see the other tabs." : "Call an agent in; every call is a session in a process of its own."}</p>
    <p><button type="button" class="button primary" onClick=${onCallIn}>Call in…</button></p>
  <//>`;
}

/** Somebody who is here, and not to talk to. */
function NoChat({ one }) {
  const [tab, what, action] = one.tasks.length ? ["tasks", "takes tasks", "Give it a task"] : ["tools", "offers tools", "Use its tools"];
  return html`<${Empty} icon=${one.tasks.length ? "agent" : "tool"} title=${`${one.name} is not one to chat with`}>
    <p>It is in the room and ${what}.</p>
    <p><button type="button" class="button primary" onClick=${() => setQuery({ tab, of: one.name, to: null, thread: null })}>${action}</button></p>
  <//>`;
}

function ChatPane({ view, room, chat, agents, onCallIn }) {
  const busy = chat.current.value;
  const clear = async () => {
    const agreed = await confirm({
      title: "Clear this chat?",
      text: `What was said in this thread is deleted for everybody in it, and ${chat.agent} forgets it. Attached files stay in the room.`,
      action: "Clear",
      tone: "bad",
    });
    if (agreed) await chat.clear().catch(toastError);
  };
  return html`<div class="chat">
    <div class="chat-head">
      ${
        agents.length > 1 || !agents.includes(chat.agent)
          ? html`<label class="sr-only" for="chat-to">Chat with</label
              ><select id="chat-to" class="select" value=${chat.agent} onChange=${(event) => setQuery({ to: event.currentTarget.value, thread: null })}>
                ${[...new Set([chat.agent, ...agents])].map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
              </select>`
          : html`<strong dir="auto">${chat.agent}</strong>`
      }
      <${Threads} view=${view} chat=${chat} />
      <span class="spread"></span>
      <${Others} view=${view} chat=${chat} />
      <button type="button" class="button quiet" onClick=${clear} disabled=${!chat.entries.value.length || view.state.value !== "open"}>Clear</button>
    </div>
    <${Log} view=${view} room=${room} chat=${chat} />
    <${Absence} view=${view} room=${room} chat=${chat} onCallIn=${onCallIn} />
    <${Composer} view=${view} chat=${chat} isBusy=${busy !== null} />
    <${Strip} room=${room} chat=${chat} />
  </div>`;
}

/** Who else takes part in the thread. */
function Others({ view, chat }) {
  const others = chat.members.value.filter((name) => name !== chat.agent && name !== view.person);
  if (!others.length) return null;
  const here = new Set(view.people.value.map((one) => one.name));
  return html`<span class="muted chat-others cut" title=${`In this thread: ${others.join(", ")}`}>with ${others.map((name, index) => html`${index > 0 && ", "}<span class=${here.has(name) ? "" : "away"}>${name}</span>`)}</span>`;
}

/** What was said. */
function Log({ view, room, chat }) {
  const [shown, setShown] = useState(SHOWN_FIRST);
  const box = useRef(null);
  const atEnd = useRef(true);
  const [isAway, setAway] = useState(false);
  const entries = chat.entries.value;
  const turns = chat.turns.value;
  const first = Math.max(0, entries.length - shown);
  const visible = entries.slice(first);

  useLayoutEffect(() => {
    if (atEnd.current) box.current.scrollTop = box.current.scrollHeight;
    else setAway(true);
  }, [entries, turns]);
  useEffect(() => {
    const content = box.current.firstElementChild;
    const watch = new ResizeObserver(() => box.current && atEnd.current && (box.current.scrollTop = box.current.scrollHeight));
    watch.observe(content);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const scrolled = () => {
    if (!box.current) return; // an event that was on its way when the tab was left
    const { scrollHeight, scrollTop, clientHeight } = box.current;
    atEnd.current = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    if (atEnd.current) setAway(false);
  };
  const earlier = () => {
    const before = box.current.scrollHeight - box.current.scrollTop;
    setShown(shown + SHOWN_MORE);
    requestAnimationFrame(() => box.current && (box.current.scrollTop = box.current.scrollHeight - before));
  };
  const toEnd = () => {
    atEnd.current = true;
    box.current.scrollTo({ top: box.current.scrollHeight });
    setAway(false);
  };

  const places = lastPlaces(visible, turns);
  const running = chat.current.value;
  return html`<div class="chat-frame">
    <div class="chat-log" ref=${box} onScroll=${scrolled} role="log" aria-label=${`Chat with ${chat.agent}`} aria-live="polite" aria-busy=${String(running !== null)} tabindex="0">
      <div class="chat-content">
        ${chat.notice.value && html`<${Failed} error=${{ title: `The chat with ${chat.agent} cannot be opened`, detail: chat.notice.value }} />`}
        ${!chat.isReady.value && !entries.length && !chat.notice.value && html`<${Loading} rows=${3} label="Loading what was said" />`}
        ${chat.isReady.value && !entries.length && turns.size === 0 && html`<${Welcome} view=${view} chat=${chat} />`}
        ${first > 0 && html`<button type="button" class="button small chat-earlier" onClick=${earlier}>Show earlier messages (${first.toLocaleString("en-US")} more)</button>`}
        ${visible.map((entry, index) => {
          const turn = turns.get(entry.turnId || entry.id);
          const state = places.get(index);
          return html`<${MessageRow} key=${`${entry.id} ${entry.kind}`} view=${view} entry=${entry} agent=${chat.agent} person=${view.person} turn=${turn} isRunning=${turn !== undefined && turn === running} />
            ${state && html`<${TurnState} key=${`turn ${state.id}`} view=${view} room=${room} chat=${chat} turn=${state} />`}`;
        })}
        ${[...turns.values()].filter((turn) => RUNNING.has(turn.state) && !hasPlace(turn, places)).map((turn) => html`<${TurnState} key=${`turn ${turn.id}`} view=${view} room=${room} chat=${chat} turn=${turn} />`)}
        ${chat.aside.value && html`<div class="notice tone-warn turn-state" role="status"><${Dot} tone="warn" /><p><strong dir="auto">${chat.agent}</strong> tells you: <span dir="auto">${chat.aside.value}</span></p></div>`}
        <${AskAgain} view=${view} chat=${chat} />
        <${Typing} chat=${chat} />
      </div>
    </div>
    ${isAway && html`<button type="button" class="button chat-end" onClick=${toEnd}><${Icon} name="down" size=${14} />Newest messages</button>`}
  </div>`;
}

/** The turn whose state stands below an entry: below its last one. */
function lastPlaces(entries, turns) {
  const last = new Map();
  entries.forEach((entry, index) => {
    const turn = turns.get(entry.turnId) ?? turns.get(entry.id);
    if (turn) last.set(turn, index);
  });
  return new Map([...last].map(([turn, index]) => [index, turn]));
}

function hasPlace(turn, places) {
  return [...places.values()].includes(turn);
}

function Welcome({ view, chat }) {
  const agent = view.people.value.find((one) => one.name === chat.agent && one.canChat);
  const title = agent?.attributes.empty_state_title;
  return html`<div class="welcome"><${Icon} name="agent" size=${26} /><h2 dir="auto">${typeof title === "string" && title ? title.slice(0, 200) : "How can I help you?"}</h2>
    <p class="muted">Say something to <strong dir="auto">${chat.agent}</strong>. It answers here, and everybody who opens this thread sees it.</p></div>`;
}

/** What became of a turn, where it is not plain from the answer. */
function TurnState({ view, room, chat, turn }) {
  const again = () => chat.retry(turn.id);
  const retry = chat.isPresent.value
    ? html`<button type="button" class="button small" onClick=${again}>Ask again</button>`
    : html`<span class="muted">You can ask again when it is back.</span>`;
  switch (turn.state) {
    case "sending":
    case "thinking":
      return html`<p class="turn-state thinking"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span>${turn.state === "sending" ? "Sending…" : turn.status ? `${chat.agent}: ${turn.status}` : `${chat.agent} is thinking…`}</span><${Elapsed} since=${turn.startedAt} /></p>`;
    case "cancelled":
      return html`<p class="turn-state muted">You stopped the answer${turn.tookMs ? ` after ${duration(turn.tookMs / 1000)}` : ""}.</p>`;
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
  const what = {
    absent: `${chat.agent} was not in the room. Your message stands in the thread.`,
    connection: "The connection to the room was lost in the middle of the answer.",
    left: `${chat.agent} ${crashed ? "crashed" : "left the room"} in the middle of the answer.`,
  }[turn.cause];
  return html`<div class=${cx("notice", "turn-state", crashed ? "tone-bad" : "tone-warn")} role="alert">
    <${Dot} tone=${crashed ? "bad" : "warn"} />
    <div class="lost-text">
      <p><strong>${what}</strong>${crashed && ` ${crashSentence(row)}`}</p>
      <p class="lost-ways">${crashed && html`<a href=${url("/sessions", row.id, "crash")}>Read the crash report</a>`}${retry}</p>
    </div>
  </div>`;
}

/** A question that nobody works on: asked before this page was opened, or while the agent was away. */
function AskAgain({ view, chat }) {
  const [, look] = useState(0);
  const last = chat.entries.value.at(-1);
  const waits = last?.kind === "message" && last.author !== chat.agent && last.role !== "agent" && !chat.turns.value.has(last.id) && chat.current.value === null;
  const age = waits ? Date.now() - (Date.parse(last.at) || 0) : 0;
  useEffect(() => {
    if (!waits || age > UNANSWERED_MS) return undefined;
    const timer = setTimeout(() => look((n) => n + 1), UNANSWERED_MS - age + 50);
    return () => clearTimeout(timer);
  }, [last?.id, waits]);
  if (!waits || age < UNANSWERED_MS || last.author !== view.person || !chat.isPresent.value) return null;
  return html`<p class="turn-state muted">There is no answer to this. <button type="button" class="button small" onClick=${() => chat.retry(last.id)}>Ask again</button></p>`;
}

function Typing({ chat }) {
  const names = chat.typing.value;
  if (!names.length) return null;
  const who = names.length > 2 ? `${names.length} people are` : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"}`;
  return html`<p class="turn-state muted"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span>${who} writing…</span></p>`;
}

/** Why the agent is not here, and what can be done. */
function Absence({ view, room, chat, onCallIn }) {
  if (view.state.value !== "open" || chat.isPresent.value || view.agents.value === null) return null;
  const row = lastRowOf(sessions.value, room, chat.agent);
  const isBack = row && !row.exit;
  const newest = [...chat.turns.value.values()].at(-1);
  if (isBack && newest?.cause === "left") return null; // said there, with the way on
  return html`<div class=${cx("notice", isBack ? "tone-warn" : "tone-bad")} role="status">
    <${Dot} tone=${isBack ? "warn" : "bad"} />
    <p><strong>${chat.agent} is not in the room${isBack ? "; it is being started again" : ""}.</strong> ${crashSentence(row)}${" "}
      ${row?.crashed && html`<a href=${url("/sessions", row.id, "crash")}>Why</a>`}</p>
    ${!isBack && html`<button type="button" class="button small" onClick=${onCallIn}>Call in…</button>`}
  </div>`;
}

/** The process under the agent, in one line. */
function Strip({ room, chat }) {
  const row = rowOf(sessions.value, room, chat.agent);
  const took = [...chat.turns.value.values()].findLast((turn) => turn.tookMs !== null && turn.state === "done");
  const facts = [];
  if (row?.pid) facts.push(`pid ${row.pid}`, bytes(row.rss_bytes), `${percent(row.cpu_share)} cpu`);
  if (took) facts.push(`turn ${took.tookMs < 1000 ? ms(took.tookMs) : duration(took.tookMs / 1000)}`);
  return html`<p class="strip">
    ${row?.pid ? html`<a href=${url("/sessions", row.id)} title="The session and process of this agent">${facts.join(" · ")}</a>` : html`<span>${facts.join(" · ")}</span>`}
    <span class="strip-keys muted"><kbd>Enter</kbd> sends · <kbd>Shift</kbd> <kbd>Enter</kbd> new line · <kbd>Esc</kbd> stops</span>
  </p>`;
}
