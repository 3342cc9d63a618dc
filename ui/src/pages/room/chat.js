/** The chat with one agent: its threads, what was said, what is going on, and a place to write. */

import { bytes, duration, ms, percent } from "../../core/format.js";
import { cx, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../core/html.js";
import { sessions } from "../../core/live.js";
import { setQuery, url } from "../../core/router.js";
import { Dot } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Icon } from "../../parts/icon.js";
import { toastError } from "../../parts/toast.js";
import { forkBefore } from "../../room/fork.js";
import { factsByTime } from "../../room/history.js";
import { ownThread } from "../../room/thread.js";
import { RUNNING } from "../../room/turns.js";
import { Composer } from "./composer.js";
import { crashSentence } from "./crash_words.js";
import { MessageRow } from "./message.js";
import { lastRowOf, rowOf } from "./people.js";
import { Threads } from "./threads.js";
import { AskAgain, TurnState, Typing } from "./turn_state.js";

const SHOWN_FIRST = 80;
const SHOWN_MORE = 200;
const AT_END_PX = 48;
const MAX_STARTERS = 6;
/** States of a turn that say themselves that its answer is not whole. */
const TOLD = new Set(["lost", "cancelled"]);

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
    <p><button type="button" class="button primary" onClick=${() => setQuery({ tab, of: one.name, to: null, thread: null }, { push: true })}>${action}</button></p>
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
              ><select id="chat-to" class="select" value=${chat.agent} onChange=${(event) => setQuery({ to: event.currentTarget.value, thread: null }, { push: true })}>
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
  const turns = chat.turns.all.value;
  const remembered = chat.history.turns.value;
  const byTime = useMemo(() => factsByTime(entries, remembered, chat.agent), [entries, remembered, chat.agent]);
  const first = Math.max(0, entries.length - shown);
  const visible = entries.slice(first);

  useLayoutEffect(() => {
    if (atEnd.current) box.current.scrollTop = box.current.scrollHeight;
    else setAway(true);
  }, [entries, turns]);
  // Who says something wants to see it.
  useEffect(() => (chat.saidCount.value ? toEnd() : undefined), [chat.saidCount.value]);
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

  const edit = (entry) => forkBefore(view, chat, entry).then((thread) => setQuery({ to: chat.agent, thread }, { push: true }), toastError);
  const places = lastPlaces(visible, turns);
  return html`<div class="chat-frame">
    <div class="chat-log" ref=${box} onScroll=${scrolled} role="log" aria-label=${`Chat with ${chat.agent}`} aria-live="polite" aria-busy=${String(chat.current.value !== null)} tabindex="0">
      <div class="chat-content">
        ${chat.notice.value && html`<${Failed} error=${{ title: `The chat with ${chat.agent} cannot be opened`, detail: chat.notice.value }} />`}
        ${!chat.isReady.value && !entries.length && !chat.notice.value && html`<${Loading} rows=${3} label="Loading what was said" />`}
        ${chat.isReady.value && !entries.length && turns.size === 0 && html`<${Welcome} view=${view} chat=${chat} />`}
        ${first > 0 && html`<button type="button" class="button small chat-earlier" onClick=${earlier}>Show earlier messages (${first.toLocaleString("en-US")} more)</button>`}
        ${visible.map((entry, index) => {
          const turn = turns.get(entry.turnId || entry.id);
          const state = places.get(index);
          return html`<${MessageRow} key=${`${entry.id} ${entry.kind}`} view=${view} entry=${entry} agent=${chat.agent} person=${view.person} onEdit=${edit} turn=${turn} facts=${remembered.get(entry.turnId) ?? byTime.get(entry.id)} isRunning=${turn !== undefined && RUNNING.has(turn.state)} isCut=${state && TOLD.has(state.state) ? "" : chat.isCut(entry)} />
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
  const named = agent?.attributes.starters;
  const starters = (Array.isArray(named) ? named : []).filter((one) => typeof one === "string" && one.trim()).slice(0, MAX_STARTERS);
  return html`<div class="welcome"><${Icon} name="agent" size=${26} /><h2 dir="auto">${typeof title === "string" && title ? title.slice(0, 200) : "How can I help you?"}</h2>
    <p class="muted">Say something to <strong dir="auto">${chat.agent}</strong>. It answers here, and everybody who opens this thread sees it.</p>
    ${starters.length > 0 && html`<ul class="starters" aria-label="To begin with">${starters.map((text) => html`<li key=${text}><button type="button" class="button" dir="auto" onClick=${() => chat.say(text.slice(0, 500)).catch(toastError)}>${text.slice(0, 200)}</button></li>`)}</ul>`}</div>`;
}

/** Why the agent is not here, and what can be done. */
function Absence({ view, room, chat, onCallIn }) {
  if (view.state.value !== "open" || chat.isPresent.value || view.agents.value === null) return null;
  const row = lastRowOf(sessions.value, room, chat.agent);
  const isBack = row && !row.exit;
  const newest = chat.turns.values().at(-1);
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
  const took = chat.turns.values().findLast((turn) => turn.tookMs !== null && turn.state === "done");
  const facts = [];
  const lives = row?.pid && row.state === "ready" && !row.restart?.at;
  if (lives) facts.push(`pid ${row.pid}`, bytes(row.rss_bytes), `${percent(row.cpu_share)} cpu`);
  if (took) facts.push(`turn ${took.tookMs < 1000 ? ms(took.tookMs) : duration(took.tookMs / 1000)}`);
  return html`<p class="strip">
    ${lives ? html`<a href=${url("/sessions", row.id)} title="The session and process of this agent">${facts.join(" · ")}</a>` : html`<span>${facts.join(" · ")}</span>`}
    <span class="strip-keys muted"><kbd>Enter</kbd> sends · <kbd>Shift</kbd> <kbd>Enter</kbd> new line · <kbd>Esc</kbd> stops</span>
  </p>`;
}
