/** The project's secrets: set, given new values and deleted; no value ever comes back. */
import { html, useState } from "../../core/html.js";
import { del, get, post, put } from "../../core/api.js";
import { ago, plural } from "../../core/format.js";
import { now } from "../../core/live.js";
import { ofProject } from "../../core/project.js";
import { useResource } from "../../core/resource.js";
import { Badge } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Field, FormDialog } from "../../parts/form_dialog.js";
import { Icon } from "../../parts/icon.js";
import { Card } from "../../parts/page.js";
import { toast, toastError } from "../../parts/toast.js";
import { bringUpToDate } from "../../core/kept_services.js";

const KINDS = {
  keys: "Variables: names with a value each",
  docker: "Registry: a server, a user and a password",
  text: "Text: one value",
};
const REGISTRY = [
  ["server", "Server", "text", "registry.example.org"],
  ["username", "User", "text", ""],
  ["password", "Password", "password", ""],
  ["email", "E-mail", "text", "optional"],
];

export function Secrets() {
  const { data, error, reload } = useResource(async ({ signal }) => get(await ofProject("secrets"), { signal }), []);
  const [edited, setEdited] = useState(null);
  const [behind, setBehind] = useState([]);
  const remove = async (secret) => {
    const text = "Its value is gone for good. A secret that a service is given cannot be deleted.";
    if (!(await confirm({ title: `Delete the secret ${secret.name}?`, text, action: "Delete", tone: "bad" }))) return;
    await ofProject("secrets", secret.id).then(del).then(() => (toast({ text: `${secret.name} is deleted.`, tone: "ok" }), reload()), toastError);
  };
  const saved = (name, names) => {
    setEdited(null);
    setBehind(names);
    toast({ text: `${name} is set.`, tone: "ok" });
    reload();
  };
  const update = () => bringUpToDate(behind).then(() => (toast({ text: "They have the newest values.", tone: "ok" }), setBehind([])), toastError);
  const listed = data?.secrets ?? [];
  return html`
    <p class="muted">Services are given secrets by name: as variables, as one value, or to pull their image. Values are kept encrypted, are shown nowhere, and are taken out of every log.</p>
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${!data && !error && html`<${Loading} rows=${4} label="Loading secrets" />`}
    ${behind.length > 0 &&
    html`<div class="notice tone-warn" role="status">
      <${Icon} name="reload" />
      <p>${plural(behind.length, "service goes", "services go")} on with the older value: ${behind.join(", ")}. Where they run they start anew with the newest.</p>
      <button type="button" class="button small" onClick=${update}>Update ${behind.length === 1 ? "it" : "them"}</button>
    </div>`}
    ${data &&
    html`<${Card} title="Secrets" flush actions=${html`<button type="button" class="button primary" onClick=${() => setEdited({})}><${Icon} name="plus" />New secret</button>`}>
      ${
        listed.length
          ? html`<ul class="kept-list">
              ${listed.map(
                (one) => html`<li key=${one.id} class="kept">
                  <div class="kept-what"><strong class="mono">${one.name}</strong> <${Badge}>${one.type}<//>
                    ${one.type === "keys" && html`<p class="muted mono">${Object.keys(one.data).join(", ")}</p>`}
                  </div>
                  <div class="kept-when muted">version ${one.version} · ${ago(one.updated_at * 1000, now.value)}</div>
                  <div class="kept-do"><button type="button" class="button small" onClick=${() => setEdited(one)}>New value…</button><button type="button" class="button small danger" aria-label=${`Delete ${one.name}`} onClick=${() => remove(one)}>Delete…</button></div>
                </li>`,
              )}
            </ul>`
          : html`<${Empty} icon="settings" title="No secret is kept"><p>Keep keys and passwords here instead of in manifests. <code>bulkhead secret set NAME</code> does the same.</p><//>`
      }
    <//>`}
    ${edited && html`<${SecretDialog} secret=${edited} onSaved=${saved} onClose=${() => setEdited(null)} />`}
  `;
}

function SecretDialog({ secret, onSaved, onClose }) {
  const isNew = !secret.id;
  const [name, setName] = useState(secret.name ?? "");
  const [type, setType] = useState(secret.type ?? "keys");
  const [text, setText] = useState("");
  const [rows, setRows] = useState(() => Object.keys(secret.data ?? {}).map((key) => [key, ""]).concat(isNew ? [["", ""]] : []));
  const [registry, setRegistry] = useState({});
  const send = async () => {
    const body = { name: name.trim(), type };
    if (!body.name) throw { title: "Give it a name", detail: "services ask for the secret by it" };
    if (type === "text") body.data_base64 = base64(text);
    else if (type === "docker") body.data = { email: "", ...registry };
    else {
      body.data = Object.fromEntries(rows.map(([key, value]) => [key.trim(), value]).filter(([key]) => key));
      if (!Object.keys(body.data).length) throw { title: "Name a variable", detail: "such as SEARCH_KEY" };
    }
    const path = await ofProject("secrets", ...(isNew ? [] : [secret.id]));
    const answer = await (isNew ? post : put)(path, body);
    onSaved(body.name, answer.behind ?? []);
  };
  const row = (at, key, value) => setRows(rows.map((one, i) => (i === at ? [key, value] : one)));
  return html`<${FormDialog} title=${isNew ? "New secret" : `New value of ${secret.name}`} action="Set" onSend=${send} onClose=${onClose}>
    <${Field} name="secret-name" label="Name"><input id="secret-name" class="input mono" value=${name} spellcheck=${false} onInput=${(event) => setName(event.currentTarget.value)} /><//>
    ${isNew &&
    html`<${Field} name="secret-type" label="Kind"><select id="secret-type" class="select" value=${type} onChange=${(event) => setType(event.currentTarget.value)}>${Object.entries(KINDS).map(([id, about]) => html`<option key=${id} value=${id}>${about}</option>`)}</select><//>`}
    ${type === "text" && html`<${Field} name="secret-text" label="Value"><input id="secret-text" class="input mono" type="password" autocomplete="new-password" value=${text} onInput=${(event) => setText(event.currentTarget.value)} /><//>`}
    ${type === "docker" &&
    REGISTRY.map(
      ([key, label, kind, about]) => html`<${Field} key=${key} name=${`secret-${key}`} label=${label}><input id=${`secret-${key}`} class="input mono" type=${kind} autocomplete=${kind === "password" ? "new-password" : "off"} placeholder=${about} value=${registry[key] ?? ""} onInput=${(event) => setRegistry({ ...registry, [key]: event.currentTarget.value })} /><//>`,
    )}
    ${type === "keys" &&
    html`<fieldset class="pairs"><legend>Variables</legend>
      ${rows.map(
        ([key, value], at) => html`<div key=${at} class="pair">
          <input class="input mono" aria-label=${`Name of variable ${at + 1}`} placeholder="NAME" spellcheck=${false} value=${key} onInput=${(event) => row(at, event.currentTarget.value, value)} />
          <input class="input mono" type="password" autocomplete="new-password" aria-label=${`Value of variable ${at + 1}`} placeholder="value" value=${value} onInput=${(event) => row(at, key, event.currentTarget.value)} />
          <button type="button" class="button icon-only quiet" aria-label=${`Remove variable ${at + 1}`} onClick=${() => setRows(rows.filter((_, i) => i !== at))}><${Icon} name="close" size=${14} /></button>
        </div>`,
      )}
      <button type="button" class="button small" onClick=${() => setRows([...rows, ["", ""]])}><${Icon} name="plus" size=${14} />Another</button>
    </fieldset>`}
    ${!isNew && type !== "text" && html`<p class="hint muted">All values are set anew; what is left empty is empty then.</p>`}
  <//>`;
}

function base64(text) {
  let bytes = "";
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return btoa(bytes);
}
