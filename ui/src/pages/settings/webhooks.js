/** Webhooks that go out: who is told of what, how each delivery went, and sending one again. */
import { html, useEffect, useState } from "../../core/html.js";
import { del, get, post, put } from "../../core/api.js";
import { ago, plural, stamp } from "../../core/format.js";
import { now } from "../../core/live.js";
import { ofProject } from "../../core/project.js";
import { useResource } from "../../core/resource.js";
import { Badge, State } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Field, FormDialog } from "../../parts/form_dialog.js";
import { Icon } from "../../parts/icon.js";
import { Card } from "../../parts/page.js";
import { toast, toastError } from "../../parts/toast.js";
import { Once } from "./once.js";

const EVENTS = { "room.started": "when a room opens", "room.ended": "when a room has closed" };
const LOOK_S = 2;
const TONES = { waiting: "busy", delivered: "ok", failed: "bad" };

export function Webhooks() {
  const { data, error, reload } = useResource(async ({ signal }) => get(await ofProject("webhooks"), { signal }), []);
  const [edited, setEdited] = useState(null);
  const [made, setMade] = useState(null);
  const remove = async (hook) => {
    const text = `${hook.url} is told nothing more; what waits for it is not sent.`;
    if (!(await confirm({ title: `Delete the webhook ${hook.name}?`, text, action: "Delete", tone: "bad" }))) return;
    await ofProject("webhooks", hook.id).then(del).then(() => (toast({ text: `${hook.name} is deleted.`, tone: "ok" }), reload()), toastError);
  };
  const saved = (hook) => {
    setEdited(null);
    if (hook.secret) setMade(hook);
    else toast({ text: `${hook.name} is changed.`, tone: "ok" });
    reload();
  };
  const listed = data?.webhooks ?? [];
  return html`
    <p class="muted">This server posts what happens to addresses of yours, signed, and again for an hour where it is not taken.</p>
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${!data && !error && html`<${Loading} rows=${3} label="Loading webhooks" />`}
    ${made && html`<${Once} what=${`The secret that signs ${made.name}`} value=${made.secret} onClose=${() => setMade(null)} />`}
    ${data &&
    html`<div class="toolbar"><button type="button" class="button primary" onClick=${() => setEdited({})}><${Icon} name="plus" />New webhook</button></div>`}
    ${data && !listed.length && html`<${Empty} icon="out" title="Nobody is told"><p>A webhook hears when rooms open and close.</p><//>`}
    ${listed.map((hook) => html`<${Webhook} key=${hook.id} hook=${hook} onEdit=${() => setEdited(hook)} onRemove=${() => remove(hook)} />`)}
    ${edited && html`<${WebhookDialog} hook=${edited} onSaved=${saved} onClose=${() => setEdited(null)} />`}
  `;
}

function Webhook({ hook, onEdit, onRemove }) {
  const load = async ({ signal }) => get(`${await ofProject("webhooks", hook.id)}/deliveries`, { signal });
  const { data, error, reload } = useResource(load, [hook.id], { every_s: LOOK_S });
  const again = (delivery) =>
    ofProject("webhooks", hook.id, "deliveries", delivery.id)
      .then((path) => post(path))
      .then(() => (toast({ text: `${delivery.event} is sent again.`, tone: "ok" }), reload()), toastError);
  const listed = data?.deliveries ?? [];
  const title = html`<span class="hook-title">${hook.name} ${hook.events.map((one) => html`<${Badge} key=${one}>${one}<//>`)}</span>`;
  return html`<${Card}
    title=${title}
    flush
    class="hook"
    actions=${html`<button type="button" class="button small" onClick=${onEdit} aria-label=${`Edit ${hook.name}`}>Edit…</button><button type="button" class="button small danger" onClick=${onRemove} aria-label=${`Delete ${hook.name}`}>Delete…</button>`}
  >
    <p class="hook-url mono">${hook.url}</p>
    ${hook.description && html`<p class="hook-about muted">${hook.description}</p>`}
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${data && !listed.length && html`<p class="hook-none muted">Nothing was sent yet.</p>`}
    ${listed.length > 0 &&
    html`<ul class="deliveries" aria-label=${`Deliveries to ${hook.name}`}>
      ${listed.map(
        (one) => html`<li key=${one.id} class="delivery">
          <${State} tone=${TONES[one.state]}>${one.state}<//>
          <span class="mono">${one.event}</span>
          <span class="muted" title=${stamp(one.created_at)}>${ago(one.created_at, now.value)}</span>
          <span class="delivery-said">${said(one, now.value)}</span>
          <button type="button" class="button small" aria-label=${`Send ${one.event} again`} onClick=${() => again(one)}>Send again</button>
        </li>`,
      )}
    </ul>`}
  <//>`;
}

/** What came of it, in a sentence. */
function said(one, at) {
  const tries = plural(one.attempts, "attempt");
  const answer = one.error || (one.status ? `answered ${one.status}` : "no answer");
  if (one.state === "delivered") return `answered ${one.status}${one.attempts > 1 ? ` after ${tries}` : ""}`;
  if (one.state === "failed") return `given up after ${tries}: ${answer}`;
  const left_s = Math.max(0, Math.round(one.next_at - at / 1000));
  return one.attempts ? `${answer}; ${left_s ? `again in ${left_s} s` : "again now"} (${tries} made)` : "on its way";
}

function WebhookDialog({ hook, onSaved, onClose }) {
  const isNew = !hook.id;
  const [name, setName] = useState(hook.name ?? "");
  const [url, setUrl] = useState(hook.url ?? "");
  const [description, setDescription] = useState(hook.description ?? "");
  const [events, setEvents] = useState(hook.events ?? Object.keys(EVENTS));
  const [payload, setPayload] = useState(hook.payload ? JSON.stringify(hook.payload) : "");
  const [bad, setBad] = useState("");
  useEffect(() => {
    let why = "";
    try {
      const held = payload.trim() ? JSON.parse(payload) : null;
      if (held !== null && (typeof held !== "object" || Array.isArray(held))) why = "This is to be an object, such as {\"team\": \"support\"}.";
    } catch (error) {
      why = `This is not JSON: ${error.message}.`;
    }
    setBad(why);
  }, [payload]);
  const send = async () => {
    if (!name.trim()) throw { title: "Give it a name", detail: "whom it tells" };
    if (!/^https?:\/\/[^/\s]+/.test(url.trim())) throw { title: "Say where to post to", detail: "an address that begins with http:// or https://" };
    if (!events.length) throw { title: "Choose what it hears of" };
    if (bad) throw { title: "What is sent along cannot be used", detail: bad };
    const body = { name: name.trim(), url: url.trim(), description: description.trim(), events, action: hook.action ?? "", payload: payload.trim() ? JSON.parse(payload) : null };
    const path = await ofProject("webhooks", ...(isNew ? [] : [hook.id]));
    onSaved(await (isNew ? post : put)(path, body));
  };
  const toggle = (one) => setEvents(events.includes(one) ? events.filter((other) => other !== one) : [...events, one]);
  return html`<${FormDialog} title=${isNew ? "New webhook" : `Edit ${hook.name}`} action=${isNew ? "Make it" : "Save"} onSend=${send} onClose=${onClose}>
    <${Field} name="hook-name" label="Name"><input id="hook-name" class="input" value=${name} onInput=${(event) => setName(event.currentTarget.value)} /><//>
    <${Field} name="hook-url" label="Address" hint="It is posted JSON, and is to answer 2xx."><input id="hook-url" class="input mono" type="url" inputmode="url" placeholder="https://example.org/rooms" aria-describedby="hook-url-hint" value=${url} onInput=${(event) => setUrl(event.currentTarget.value)} /><//>
    <fieldset class="choices"><legend>It hears</legend>
      ${Object.entries(EVENTS).map(([id, about]) => html`<label key=${id} class="check"><input type="checkbox" checked=${events.includes(id)} onChange=${() => toggle(id)} /> <span class="mono">${id}</span> <span class="muted">${about}</span></label>`)}
    </fieldset>
    <${Field} name="hook-about" label="Description"><input id="hook-about" class="input" value=${description} onInput=${(event) => setDescription(event.currentTarget.value)} /><//>
    <${Field} name="hook-payload" label="Sent along" error=${bad} hint="An object that is merged into the data of each; empty for none."><input id="hook-payload" class="input mono" spellcheck=${false} placeholder="{}" aria-invalid=${bad ? "true" : undefined} aria-describedby="hook-payload-hint" value=${payload} onInput=${(event) => setPayload(event.currentTarget.value)} /><//>
  <//>`;
}
