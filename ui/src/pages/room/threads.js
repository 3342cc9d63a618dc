/** The threads of an agent in this room: pick one, begin another; a list to search, rename and delete. */

import { ago } from "../../core/format.js";
import { cx, html, useEffect, useState } from "../../core/html.js";
import { setQuery } from "../../core/router.js";
import { confirm, Dialog } from "../../parts/dialog.js";
import { Filter, matches } from "../../parts/filter.js";
import { Icon } from "../../parts/icon.js";
import { toastError } from "../../parts/toast.js";
import { list, remove } from "../../room/storage.js";
import { newThread, ownThread, segment, threadsFolder } from "../../room/thread.js";
import { around, readTexts } from "../../room/thread_texts.js";
import { TITLES_FILE } from "../../room/thread_titles.js";

const SHOWN = 200;
/** From so many letters on, what was said is searched as well, once nothing was typed for a moment. */
const LEAST_CHARS = 3;
const WAIT_MS = 250;
const STAMP = /^(.*)-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)$/;

export function Threads({ view, chat }) {
  const [files, setFiles] = useState([]);
  const [isListed, setListed] = useState(false);
  const isOpen = view.state.value === "open";
  const isBegun = chat.entries.value.length > 0;
  const titles = view.titlesOf(chat.agent);
  const folder = threadsFolder(chat.agent);
  const load = () => {
    if (!isOpen) return;
    list(view.client, folder).then(
      (found) => setFiles(found.filter((file) => !file.is_folder && file.name.endsWith(".thread") && file.name !== TITLES_FILE)),
      () => {}, // the chat itself says what is wrong
    );
  };
  useEffect(load, [isOpen, chat.path, isBegun]);
  const first = chat.entries.value.find((entry) => entry.kind === "message" && entry.role !== "agent" && entry.author !== chat.agent && entry.text);
  const own = ownThread(chat.agent, view.person);
  useEffect(() => {
    if (first && chat.path !== own) titles.nameBy(chat.path, first.text);
  }, [first?.id, titles.isReady.value]);
  const threads = listed(files, { chat, own, titles: titles.all.value, person: view.person });
  const here = threads.find((one) => one.path === chat.path);
  const go = (path) => setQuery({ to: chat.agent, thread: path === own ? null : path }, { push: true });
  return html`<button type="button" class="button thread-select" aria-haspopup="dialog" title="Threads" onClick=${() => (load(), setListed(true))}><${Icon} name="rooms" size=${14} /><span class="cut" dir="auto">${here?.title ?? "Thread"}</span></button>
    <button type="button" class="button" title="Begin a new thread" onClick=${() => go(newThread(chat.agent, view.person, new Date(), threads.map((one) => one.path)))}><${Icon} name="plus" size=${14} /><span class="new-thread">New thread</span></button>
    ${isListed && html`<${List} view=${view} chat=${chat} threads=${threads} titles=${titles} own=${own} onGo=${go} onChanged=${load} onClose=${() => setListed(false)} />`}`;
}

function List({ view, chat, threads, titles, own, onGo, onChanged, onClose }) {
  const [query, setWanted] = useState("");
  const [renamed, setRenamed] = useState("");
  const [texts, setTexts] = useState(() => new Map());
  const isRead = query.trim().length >= LEAST_CHARS;
  useEffect(() => {
    if (!isRead) return undefined;
    let goesOn = true;
    const known = new Map(texts);
    const later = setTimeout(() => readTexts(view.client, threads, known, () => goesOn).then(() => goesOn && setTexts(known)), WAIT_MS);
    return () => {
      goesOn = false;
      clearTimeout(later);
    };
  }, [isRead, threads.length]);
  const said = (one) => (isRead ? texts.get(one.path)?.text ?? "" : "");
  const found = threads.filter((one) => matches(query, [one.title, one.by, said(one)]));
  const drop = async (one) => {
    const agreed = await confirm({
      title: `Delete “${one.title}”?`,
      text: `What was said in this thread is deleted for everybody, and ${chat.agent} forgets it. Attached files stay in the room.`,
      action: "Delete the thread",
      tone: "bad",
    });
    if (!agreed) return;
    try {
      await view.forgetThread(chat.agent, one.path);
      titles.remove(one.path);
      await remove(view.client, one.path).catch(() => {}); // somebody has it open, empty
      if (one.path === chat.path) onGo(own);
      onChanged();
    } catch (error) {
      toastError(error);
    }
  };
  return html`<${Dialog} title=${`Threads with ${chat.agent}`} onClose=${onClose} wide>
    <div class="toolbar"><${Filter} value=${query} onInput=${setWanted} placeholder="Search threads" /><span class="muted">${found.length} of ${threads.length}</span></div>
    <ul class="thread-list" aria-label="Threads">
      ${found.slice(0, SHOWN).map(
        (one) => html`<li key=${one.path} class=${cx(one.path === chat.path && "current")}>
          ${
            renamed === one.path
              ? html`<${Rename} title=${one.title} onDone=${(title) => {
                  if (title) titles.rename(one.path, title);
                  setRenamed("");
                }} />`
              : html`<button type="button" class="link thread-name" aria-current=${one.path === chat.path ? "true" : undefined} onClick=${() => (onGo(one.path), onClose())}><span class="cut" dir="auto">${one.title}</span></button>
                  ${isRead && html`<${Said} text=${said(one)} query=${query} />`}
                  <span class="muted">${[one.by, one.at ? ago(one.at, Date.now()) : ""].filter(Boolean).join(" · ")}</span>
                  <span class="spread"></span>
                  ${one.path !== own && html`<button type="button" class="button small quiet" aria-label=${`Rename ${one.title}`} onClick=${() => setRenamed(one.path)}>Rename</button>`}
                  <button type="button" class="button small quiet danger" aria-label=${`Delete ${one.title}`} onClick=${() => drop(one)}>Delete</button>`
          }
        </li>`,
      )}
      ${found.length === 0 && html`<li class="muted">No thread fits.</li>`}
    </ul>
  <//>`;
}

/** The place of what is searched, where it was said in the thread. */
function Said({ text, query }) {
  const place = around(text, query);
  return place && html`<span class="muted cut thread-said" dir="auto">${place}</span>`;
}

function Rename({ title, onDone }) {
  const [text, setText] = useState(title);
  return html`<form class="inline-form" onSubmit=${(event) => (event.preventDefault(), onDone(text.trim()))}>
    <input class="input" aria-label="Title" value=${text} maxlength="80" autofocus dir="auto" onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${(event) => event.key === "Escape" && (event.stopPropagation(), event.preventDefault(), onDone(""))} />
    <button type="submit" class="button small primary" disabled=${!text.trim()}>Save</button>
  </form>`;
}

/** Threads as they are listed: our own first, then the newest. */
function listed(files, { chat, own, titles, person }) {
  const folder = threadsFolder(chat.agent);
  const known = files.map((file) => ({ path: `${folder}/${file.name}`, at: Date.parse(file.updated_at) || 0 }));
  if (!known.some((one) => one.path === chat.path)) known.push({ path: chat.path, at: Date.now() });
  if (!known.some((one) => one.path === own)) known.push({ path: own, at: 0 });
  return known
    .filter((one) => !titles.get(one.path)?.isDeleted || one.path === own || (one.path === chat.path && chat.entries.value.length > 0))
    .map((one) => ({ ...one, title: titles.get(one.path)?.title || title(one.path, person, one.path === own), by: author(one.path, person) }))
    .sort((a, b) => (b.path === own) - (a.path === own) || b.at - a.at);
}

/** What a thread is called that nobody named: by its file. */
export function title(path, person, isOwn = false) {
  if (isOwn) return "My chat";
  const name = path.split("/").at(-1).replace(/\.thread$/, "");
  const [, who, year, month, day, hour, minute, second] = STAMP.exec(name) ?? [];
  if (!who) return name;
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const when = at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return who === segment(person) ? when : `${who}, ${when}`;
}

/** Who began it, when that was not we. */
function author(path, person) {
  const name = path.split("/").at(-1).replace(/\.thread$/, "");
  const who = STAMP.exec(name)?.[1] ?? name;
  return who === segment(person) ? "" : who;
}
