/** The rooms that are open, who is in them, and the way into another. */

import { plural } from "../core/format.js";
import { html, useEffect, useState } from "../core/html.js";
import { connection, rooms, sessions } from "../core/live.js";
import { navigate, url } from "../core/router.js";
import { Empty, Loading } from "../parts/empty.js";
import { Filter, matches } from "../parts/filter.js";
import { Icon } from "../parts/icon.js";
import { Page } from "../parts/page.js";
import { Ago } from "../parts/time.js";
import { findName, me } from "../room/person.js";
import { badRoomName } from "../room/room_name.js";
import { CallIn } from "./room/call_in.js";
import { ClosedRooms } from "./rooms/closed.js";
import { PersonName } from "./room/name.js";
import "../style/rooms.css";

const SHOWN = 12;
const FEW = 1;
const MOST = 100;

export function Rooms() {
  const [calling, setCalling] = useState(null);
  useEffect(() => {
    findName();
  }, []);
  const [query, setQuery] = useState("");
  const open = rooms.value;
  const found = open?.filter((room) => matches(query, [room.name, ...room.participants.map((one) => one.name)]));
  return html`<${Page} title="Rooms" actions=${html`<${PersonName} />`}>
    <${Enter} />
    ${
      open === null
        ? connection.value === "lost"
          ? html`<${Empty} icon="rooms" title="No news from the server"><p>The rooms are shown once it answers again.</p><//>`
          : html`<${Loading} rows=${3} label="Loading the rooms" />`
        : open.length === 0
          ? html`<${Empty} icon="rooms" title="No room is open">
              <p>A room opens when somebody enters it. Enter one above, then call an agent in.</p>
            <//>`
          : html`${open.length > FEW && html`<div class="toolbar"><${Filter} value=${query} onInput=${setQuery} placeholder="Filter by room or participant" /><span class="muted">${found.length} of ${open.length}</span></div>`}
            ${found.length === 0 && html`<p class="muted">No room fits.</p>`}
            <ul class="rooms">${found.slice(0, MOST).map((room) => html`<${RoomRow} key=${room.name} room=${room} onCall=${() => setCalling(room.name)} />`)}</ul>
            ${found.length > MOST && html`<p class="muted">And ${found.length - MOST} more; filter for them.</p>`}`
    }
    ${open !== null && html`<${ClosedRooms} openCount=${open.length} query=${query} />`}
    ${calling !== null && html`<${CallIn} room=${calling} onClose=${() => setCalling(null)} />`}
  <//>`;
}

/** A form to enter a room; it opens when its first participant comes. */
function Enter() {
  const [name, setName] = useState("");
  const [told, setTold] = useState("");
  const suggested = me.value?.default_room && !rooms.value?.some((room) => room.name === me.value.default_room) ? me.value.default_room : "";
  const enter = (event) => {
    event.preventDefault();
    const wanted = name.trim() || suggested;
    const why = badRoomName(wanted);
    setTold(why);
    if (!why) navigate(url("/rooms", wanted));
  };
  return html`<form class="enter-room" onSubmit=${enter}>
    <label for="room-name">Enter a room</label>
    <input id="room-name" class="input" value=${name} placeholder=${suggested || "myroom"} autocomplete="off" spellcheck=${false} aria-invalid=${Boolean(told)} aria-describedby="room-rule"
      onInput=${(event) => {
        setName(event.currentTarget.value);
        setTold(event.currentTarget.value.trim() ? badRoomName(event.currentTarget.value.trim()) : "");
      }} />
    <button class="button primary" type="submit">Enter</button>
    <p id="room-rule" class=${told ? "error" : "hint"} role=${told ? "alert" : undefined}>${told || "Any name of up to 200 printable characters without a slash. It is made when you are the first."}</p>
  </form>`;
}

function RoomRow({ room, onCall }) {
  const people = [...room.participants].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  const running = sessions.value?.filter((row) => row.room === room.name && !row.exit).length ?? 0;
  const facts = [
    plural(people.length, "participant"),
    running ? plural(running, "session") : null,
    room.documents.length ? plural(room.documents.length, "open thread") : null,
    Object.keys(room.queues).length ? plural(Object.keys(room.queues).length, "queue") : null,
  ].filter(Boolean);
  return html`<li class="card room-card">
    <div class="room-card-main">
      <h2><a href=${url("/rooms", room.name)} dir="auto">${room.name}</a></h2>
      <p class="muted">${facts.join(" · ")} · open since <${Ago} at=${room.opened_at} /></p>
      <ul class="faces" aria-label="Who is in it">
        ${people.slice(0, SHOWN).map((one) => html`<li key=${one.id} class="face" title=${`${one.name} · ${kind(one)}`}><${Icon} name=${ICONS[kind(one)]} size=${14} /><span class="cut" dir="auto">${one.name}</span></li>`)}
        ${people.length > SHOWN && html`<li class="face muted">and ${people.length - SHOWN} more</li>`}
        ${people.length === 0 && html`<li class="muted">Nobody is in it right now.</li>`}
      </ul>
    </div>
    <div class="buttons">
      <button type="button" class="button" onClick=${onCall}>Call in…</button>
      <a class="button primary" href=${url("/rooms", room.name)} aria-label=${`Enter ${room.name}`}>Enter</a>
    </div>
  </li>`;
}

const ICONS = { agent: "agent", tool: "tool", human: "person" };

function kind(one) {
  if (one.role === "user") return "human";
  return one.role === "tool" || (!one.visible && !one.agents.length && one.toolkits.length) ? "tool" : "agent";
}

function rank(one) {
  return { agent: 0, tool: 1, human: 2 }[kind(one)];
}
