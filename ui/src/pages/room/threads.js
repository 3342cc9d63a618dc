/** The threads of an agent in this room: pick one, begin another. */

import { ago } from "../../core/format.js";
import { html, useEffect, useState } from "../../core/html.js";
import { setQuery } from "../../core/router.js";
import { Icon } from "../../parts/icon.js";
import { list } from "../../room/storage.js";
import { newThread, ownThread, segment, threadsFolder } from "../../room/thread.js";

const SHOWN = 100;
const STAMP = /^(.*)-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)$/;

export function Threads({ view, chat }) {
  const [threads, setThreads] = useState([]);
  const isOpen = view.state.value === "open";
  const isBegun = chat.entries.value.length > 0;
  const folder = threadsFolder(chat.agent);
  const load = () => {
    if (!isOpen) return;
    list(view.client, folder).then(
      (files) => setThreads(files.filter((file) => !file.is_folder && file.name.endsWith(".thread"))),
      () => {}, // the chat itself says what is wrong
    );
  };
  useEffect(load, [isOpen, chat.path, isBegun]);
  const own = ownThread(chat.agent, view.person);
  const known = threads.map((file) => ({ path: `${folder}/${file.name}`, at: Date.parse(file.updated_at) || 0 }));
  if (!known.some((one) => one.path === chat.path)) known.push({ path: chat.path, at: Date.now() });
  if (!known.some((one) => one.path === own)) known.push({ path: own, at: 0 });
  known.sort((a, b) => (b.path === own) - (a.path === own) || b.at - a.at);
  return html`<label class="sr-only" for="chat-thread">Thread</label>
    <select id="chat-thread" class="select thread-select" value=${chat.path} onFocus=${load} onChange=${(event) => setQuery({ to: chat.agent, thread: event.currentTarget.value === own ? null : event.currentTarget.value })}>
      ${known.slice(0, SHOWN).map((one) => html`<option key=${one.path} value=${one.path}>${title(one.path, view.person, one.path === own)}${one.at && !STAMP.test(one.path.replace(/\.thread$/, "")) ? ` · ${ago(one.at, Date.now())}` : ""}</option>`)}
    </select>
    <button type="button" class="button" title="Begin a new thread" onClick=${() => setQuery({ to: chat.agent, thread: newThread(chat.agent, view.person) })}><${Icon} name="plus" size=${14} /><span class="new-thread">New thread</span></button>`;
}

/** What a thread is called: by its file. */
export function title(path, person, isOwn = false) {
  if (isOwn) return "My chat";
  const name = path.split("/").at(-1).replace(/\.thread$/, "");
  const [, who, year, month, day, hour, minute, second] = STAMP.exec(name) ?? [];
  if (!who) return name;
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const when = at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return who === segment(person) ? when : `${who}, ${when}`;
}
