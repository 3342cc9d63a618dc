/** Who is in the room: agents with their processes, tools, people; and agents that should be here and are not. */

import { endpointName } from "../../core/endpoints.js";
import { bytes, percent } from "../../core/format.js";
import { cx, html, useRef } from "../../core/html.js";
import { sessions } from "../../core/live.js";
import { url } from "../../core/router.js";
import { Dot, condition } from "../../parts/badge.js";
import { Icon } from "../../parts/icon.js";
import { hold, startAgain, stop } from "../session/actions.js";
import { crashSentence } from "./crash_words.js";
import { placed } from "./places.js";

const ICONS = { agent: "agent", tool: "tool", human: "person" };

export function People({ view, room, to, onPick, onCallIn }) {
  const rows = sessions.value;
  const people = view.people.value;
  const agents = people.filter((one) => one.kind !== "human");
  const humans = people.filter((one) => one.kind === "human");
  const absent = missing(rows, room, agents);
  const several = countBy(people);
  const used = new Set();
  const places = useRef([]);
  const shown = agents.map((one) => {
    const row = rowOf(rows, room, one.name, used);
    if (row) used.add(row.id);
    return { name: one.name, id: one.id, one, row };
  });
  // Who crashed keeps its place: that is where one looks for it.
  const all = placed([...shown, ...absent.map((row) => ({ name: row.identity, id: row.id, row }))], places.current);
  places.current = all.map((each) => each.name);
  return html`
    <h2>Agents and tools <span class="count">${agents.length}</span></h2>
    ${agents.length === 0 && absent.length === 0 && html`<p class="muted people-none">None yet. <button type="button" class="link" onClick=${onCallIn}>Call one in</button></p>`}
    <ul class="people-list">
      ${all.map(({ id, one, row }) => (one ? html`<${Agent} key=${id} one=${one} row=${row} current=${one.name === to && one.canChat} isAway=${view.state.value !== "open"} onPick=${onPick} />` : html`<${Absent} key=${id} row=${row} />`))}
    </ul>
    <h2>People <span class="count">${humans.length}</span></h2>
    <ul class="people-list">
      ${humans.map(
        (one) => html`<li key=${one.id} class="someone">
          <${Icon} name="person" /><span class="cut" dir="auto">${one.name}</span>
          <span class="muted">${one.isSelf ? "you" : several.get(one.name) > 1 && one.name === view.person ? "you, elsewhere" : ""}</span>
        </li>`,
      )}
    </ul>`;
}

function Agent({ one, row, current, isAway, onPick }) {
  const state = isAway ? { tone: "idle", word: "not known now" } : row ? condition(row) : { tone: "ok", word: "here" };
  const what = one.canChat ? "chat" : one.tasks.length ? "tasks" : one.toolkits.length ? "tools" : null;
  const kind = one.canChat ? "agent" : one.tasks.length ? "agent · tasks" : one.kind;
  const facts = row ? [row.pid && `pid ${row.pid}`, bytes(row.rss_bytes), percent(row.cpu_share)] : [];
  const head = html`<${Icon} name=${ICONS[one.kind]} /><span class="cut name" dir="auto">${one.name}</span><span class="muted kind">${kind}</span>`;
  return html`<li class=${cx("someone", "agent", current && "current")}>
    ${what ? html`<button type="button" class="someone-button" aria-current=${current ? "true" : undefined} onClick=${() => onPick(one.name, what)} title=${WHAT[what](one.name)}>${head}</button>` : html`<span class="someone-button">${head}</span>`}
    <p class="someone-facts">
      <span class=${cx("state", `tone-${state.tone}`)} title=${state.sentence || undefined}><${Dot} tone=${state.tone} />${state.word}</span>
      ${row && html`<a href=${url("/sessions", row.id)} title="Its session and process">${facts.filter(Boolean).join(" · ")}</a>`}
      ${row?.pid && row.state === "ready" && html`<span class="send-away">
        <a class="button small quiet" href=${`${url("/sessions", row.id)}?tab=profile`} aria-label=${`Profile ${one.name}`} title="Profile: where its time goes"><${Icon} name="flame" /></a>
        <button type="button" class="button small quiet" aria-label=${`${row.frozen ? "Thaw" : "Freeze"} ${one.name}`} title=${row.frozen ? "Thaw" : "Freeze"} onClick=${() => hold(row)}><${Icon} name=${row.frozen ? "play" : "pause"} /></button>
        <button type="button" class="button small quiet" aria-label=${`Stop ${one.name}`} title="Stop" onClick=${() => stop(row)}><${Icon} name="stop" /></button>
      </span>`}
    </p>
  </li>`;
}

const WHAT = {
  chat: (name) => `Chat with ${name}`,
  tasks: (name) => `Give ${name} a task`,
  tools: (name) => `Use the tools of ${name}`,
};

/** Sessions of this room whose agent is not in it: on its way, or gone for a reason to read. */
function Absent({ row }) {
  // A session that says it is ready is about to come, or has just gone: its end is told a moment later.
  const { tone, word } = row.state === "ready" && !row.exit ? { tone: "warn", word: "away" } : condition(row);
  const crashed = tone === "bad" && row.crashed;
  const sentence = crashed ? crashSentence(row) : "";
  return html`<li class="someone agent absent">
    <span class="someone-button"><${Icon} name="agent" /><span class="cut name" dir="auto">${row.identity || endpointName(row.endpoint, row.bundle)}</span></span>
    <p class="someone-facts">
      <span class=${cx("state", `tone-${tone}`)} title=${sentence || undefined}><${Dot} tone=${tone} />${word}</span>
      <a href=${crashed ? url("/sessions", row.id, "crash") : url("/sessions", row.id)}>${crashed ? "why" : row.pid ? `pid ${row.pid}` : "session"}</a>
      ${row.exit && html`<button type="button" class="button small quiet send-away" aria-label=${`Start ${row.identity || endpointName(row.endpoint, row.bundle)} again`} onClick=${() => startAgain(row)}>Start again</button>`}
    </p>
    ${sentence && html`<p class="hint someone-why">${sentence}</p>`}
  </li>`;
}

function missing(rows, room, agents) {
  const here = new Set(agents.map((one) => one.name));
  const newest = new Map();
  for (const row of rows ?? []) {
    if (row.room !== room || here.has(row.identity)) continue;
    const key = `${row.endpoint}\n${row.identity}`;
    const was = newest.get(key);
    if (!was || (was.exit && !row.exit) || (Boolean(was.exit) === Boolean(row.exit) && startOf(row) > startOf(was))) newest.set(key, row);
  }
  // Who left in good order is not missed.
  return [...newest.values()].filter((row) => !row.exit || condition(row).tone === "bad");
}

/** The running session behind a participant; with several of one name each takes one. */
export function rowOf(rows, room, name, used = new Set()) {
  const own = (rows ?? []).filter((row) => row.room === room && row.identity === name && !used.has(row.id));
  return own.find((row) => !row.exit && row.state === "ready") ?? own.find((row) => !row.exit) ?? null;
}

/** The newest session of that name in the room, running or not. */
export function lastRowOf(rows, room, name) {
  const own = (rows ?? []).filter((row) => row.room === room && row.identity === name);
  return own.find((row) => !row.exit) ?? own.sort((a, b) => startOf(b) - startOf(a))[0] ?? null;
}

function startOf(row) {
  return Date.parse(row.accepted_at ?? "") || 0;
}

function countBy(people) {
  const counts = new Map();
  for (const one of people) counts.set(one.name, (counts.get(one.name) ?? 0) + 1);
  return counts;
}
