/** The room's services and containers: how they go, what they write, and a terminal in them. */

import { html, useEffect, useState } from "../../core/html.js";
import { get } from "../../core/api.js";
import { imageName } from "../../core/format.js";
import { change } from "../../core/kept_services.js";
import { lazyPart } from "../../core/lazy.js";
import { ofProject } from "../../core/project.js";
import { useResource } from "../../core/resource.js";
import { url } from "../../core/router.js";
import { State } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Failed, Loading } from "../../parts/empty.js";
import { Field, FormDialog } from "../../parts/form_dialog.js";
import { Icon } from "../../parts/icon.js";
import { Card } from "../../parts/page.js";
import { toast, toastError } from "../../parts/toast.js";
import { follow, images, listed, remove, run, stop } from "../../room/containers.js";
import { inRoom } from "../services/fares.js";
import { restart } from "../services/going.js";
import { Lines } from "../services/log.js";

const LOOK_S = 2;
const Terminal = lazyPart(() => import("./terminal.js").then((part) => part.Terminal));

export function ContainersTab({ view, room }) {
  const [shown, setShown] = useState(null);
  const isOpen = view.state.value === "open";
  const { data: health } = useResource(({ signal }) => get("/healthz?verbose", { signal }), []);
  const { data, error, reload } = useResource(() => (isOpen ? listed(view.client) : Promise.resolve(null)), [isOpen], { every_s: LOOK_S });
  const known = useLast(data);
  if (shown) {
    const close = () => setShown(null);
    return html`<div class="box-view">
      <div class="toolbar"><button type="button" class="button small terminal-close" onClick=${close}><${Icon} name="back" size=${14} />Containers</button><h2>${shown.kind === "log" ? "Log of" : "Terminal in"} ${shown.box.name}</h2></div>
      ${shown.kind === "log" ? html`<${BoxLog} view=${view} box=${shown.box} />` : html`<${Terminal} view=${view} box=${shown.box} />`}
    </div>`;
  }
  return html`<div class="boxes">
    ${health?.containers?.engine === "process" && html`<div class="notice tone-warn"><${Icon} name="crashes" /><p><strong>These are processes of this machine, not containers.</strong> No container engine is here, so they are not isolated like containers.</p></div>`}
    <${ServicesHere} room=${room} />
    <${Boxes} view=${view} known=${known} error=${error} isOpen=${isOpen} reload=${reload} onShow=${(kind, box) => setShown({ kind, box })} />
  </div>`;
}

function ServicesHere({ room }) {
  const { data, error, reload } = useResource(async ({ signal }) => get(await ofProject("service-states"), { signal }), [], { every_s: LOOK_S });
  const here = (data?.services ?? []).filter((one) => !one.room || one.room === room);
  const turn = async (service) => {
    const { name } = service;
    const where = service.room ? "in this room" : "in every room, because it is the project's";
    if (service.is_enabled && !(await confirm({ title: `Stop ${name}?`, text: `It ends ${where}, and does not start again before it is started here.`, action: "Stop" }))) return;
    try {
      await change(service, (manifest) => ({ ...manifest, enabled: !service.is_enabled }));
      toast({ text: `${name} ${service.is_enabled ? "ends" : "starts"}.`, tone: "ok" });
      reload();
    } catch (failure) {
      toastError(failure);
    }
  };
  const add = `${url("/services", "new")}?room=${encodeURIComponent(room)}`;
  return html`<${Card} title="Services" flush actions=${html`<a class="button small" href=${add}><${Icon} name="plus" size=${14} />New service</a>`}>
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${!data && !error && html`<${Loading} rows=${2} label="Loading services" />`}
    ${data && !here.length && html`<p class="hook-none muted">Nothing is deployed for this room.</p>`}
    ${here.length > 0 &&
    html`<ul class="kept-list" aria-label="Services of this room">
      ${here.map((one) => {
        const state = one.states[room];
        const { tone, word, sentence } = one.is_enabled ? (state ? inRoom(state) : { tone: "idle", word: "from the next opening" }) : { tone: "idle", word: "stopped" };
        return html`<li key=${one.id} class="kept">
          <div class="kept-what"><a href=${url("/services", one.id)}><strong>${one.name}</strong></a> <${State} tone=${tone}>${word}<//>${sentence && html`<p class=${tone === "bad" ? "bad-text" : "muted"}>${sentence}</p>`}</div>
          <div class="kept-when muted mono" title=${one.image}>${one.image && imageName(one.image)}</div>
          <div class="kept-do">
            ${one.is_enabled && state && one.image && html`<button type="button" class="button small" aria-label=${`Restart ${one.name}`} onClick=${() => restart(one, room)}>Restart…</button>`}
            <button type="button" class="button small" aria-label=${`${one.is_enabled ? "Stop" : "Start"} ${one.name}`} onClick=${() => turn(one)}>${one.is_enabled ? "Stop…" : "Start"}</button>
          </div>
        </li>`;
      })}
    </ul>`}
  <//>`;
}

function Boxes({ view, known, error, isOpen, reload, onShow }) {
  const [running, setRunning] = useState(false);
  const during = (work, said) => work.then(() => (toast({ text: said, tone: "ok" }), reload()), toastError);
  const end = async (box) => {
    const text = box.service_id ? "It is a service's: it is started again. Stop the service instead to end it for good." : "It is asked to end, and killed when it does not.";
    if (await confirm({ title: `Stop ${box.name}?`, text, action: "Stop" })) during(stop(view.client, box.id), `${box.name} has ended.`);
  };
  const forget = async (box) => {
    if (await confirm({ title: `Remove ${box.name}?`, text: "Its log is gone with it.", action: "Remove", tone: "bad" })) during(remove(view.client, box.id), `${box.name} is removed.`);
  };
  return html`<${Card} title="Containers" flush actions=${html`<button type="button" class="button small" disabled=${!isOpen} onClick=${() => setRunning(true)}><${Icon} name="play" size=${14} />Run…</button>`}>
    ${error && !known && html`<${Failed} error=${{ title: "Containers could not be listed", detail: error.message }} retry=${reload} />`}
    ${!known && !error && html`<${Loading} rows=${2} label="Loading containers" />`}
    ${known && !known.length && html`<p class="hook-none muted">Nothing runs. Services and agents start containers here, and so does <em>Run</em>.</p>`}
    ${known?.length > 0 &&
    html`<ul class="kept-list" aria-label="Containers of this room">
      ${known.map((box) => {
        const runs = box.state === "RUNNING";
        return html`<li key=${box.id} class="kept">
          <div class="kept-what"><strong>${box.name}</strong> <${State} tone=${runs ? "ok" : "idle"}>${runs ? "running" : "ended"}<//><p class="muted">${box.status}</p></div>
          <div class="kept-when muted"><span class="mono">${box.image}</span> ${box.service_id ? "" : `by ${box.started_by.name}`}</div>
          <div class="kept-do">
            <button type="button" class="button small" aria-label=${`Log of ${box.name}`} onClick=${() => onShow("log", box)}>Log</button>
            ${runs && html`<button type="button" class="button small" aria-label=${`Terminal in ${box.name}`} onClick=${() => onShow("terminal", box)}>Terminal</button>`}
            ${runs ? html`<button type="button" class="button small" aria-label=${`Stop ${box.name}`} onClick=${() => end(box)}>Stop…</button>` : html`<button type="button" class="button small danger" aria-label=${`Remove ${box.name}`} onClick=${() => forget(box)}>Remove…</button>`}
          </div>
        </li>`;
      })}
    </ul>`}
    ${running && html`<${RunDialog} view=${view} onClose=${() => setRunning(false)} onDone=${() => (setRunning(false), reload())} />`}
  <//>`;
}

function RunDialog({ view, onClose, onDone }) {
  const [image, setImage] = useState("");
  const [command, setCommand] = useState("");
  const [name, setName] = useState("");
  const { data } = useResource(() => images(view.client), []);
  const known = (data ?? []).map((one) => one.preferred_ref ?? one.tags?.[0]).filter(Boolean);
  const send = async () => {
    if (!image.trim()) throw { title: "Say what to run", detail: "the reference of an image" };
    await run(view.client, { image: image.trim(), command: command.trim(), name: name.trim() });
    onDone();
  };
  return html`<${FormDialog} title="Run a container" action="Run" busyText="Starting…" onSend=${send} onClose=${onClose}>
    <${Field} name="box-image" label="Image"><input id="box-image" class="input mono" list="box-images" spellcheck=${false} value=${image} onInput=${(event) => setImage(event.currentTarget.value)} /><datalist id="box-images">${known.map((one) => html`<option key=${one} value=${one} />`)}</datalist><//>
    <${Field} name="box-command" label="Command" hint="Empty for the image's own."><input id="box-command" class="input mono" spellcheck=${false} value=${command} onInput=${(event) => setCommand(event.currentTarget.value)} /><//>
    <${Field} name="box-name" label="Name"><input id="box-name" class="input" spellcheck=${false} value=${name} onInput=${(event) => setName(event.currentTarget.value)} /><//>
  <//>`;
}

function BoxLog({ view, box }) {
  const [lines, setLines] = useState(null);
  useEffect(() => follow(view.client, box.id, setLines), [box.id]);
  return lines ? html`<${Lines} lines=${lines} />` : html`<${Loading} rows=${5} label="Loading the log" />`;
}

/** What was known last, while there is nothing newer. */
function useLast(value) {
  const [last, setLast] = useState(null);
  useEffect(() => {
    if (value) setLast(value);
  }, [value]);
  return value ?? last;
}
