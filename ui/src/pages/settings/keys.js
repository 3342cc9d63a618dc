/** API keys: made, shown once, deleted. */
import { html, useState } from "../../core/html.js";
import { del, get, post } from "../../core/api.js";
import { ofProject } from "../../core/project.js";
import { useResource } from "../../core/resource.js";
import { confirm } from "../../parts/dialog.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Field, FormDialog } from "../../parts/form_dialog.js";
import { Icon } from "../../parts/icon.js";
import { Card } from "../../parts/page.js";
import { toast, toastError } from "../../parts/toast.js";
import { Once } from "./once.js";

export function ApiKeys() {
  const { data, error, reload } = useResource(async ({ signal }) => get(await ofProject("api-keys"), { signal }), []);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState(null);
  const remove = async (key) => {
    const text = "It is refused at once, and so are tokens that were signed with it.";
    if (!(await confirm({ title: `Delete the API key ${key.name}?`, text, action: "Delete", tone: "bad" }))) return;
    await ofProject("api-keys", key.id).then(del).then(() => (toast({ text: `${key.name} is deleted.`, tone: "ok" }), reload()), toastError);
  };
  const done = (key) => {
    setMaking(false);
    setMade(key);
    reload();
  };
  const listed = data?.keys ?? [];
  return html`
    <p class="muted">With a key, commands and programs elsewhere may do what you may do here: <code>bulkhead service create --url … </code>with <code>BULKHEAD_API_TOKEN</code>, or MeshAgent's clients with <code>MESHAGENT_API_KEY</code>.</p>
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${!data && !error && html`<${Loading} rows=${3} label="Loading API keys" />`}
    ${made && html`<${Once} what=${`The API key ${made.name}`} value=${made.value} onClose=${() => setMade(null)} />`}
    ${data &&
    html`<${Card} title="API keys" flush actions=${html`<button type="button" class="button primary" onClick=${() => setMaking(true)}><${Icon} name="plus" />New key</button>`}>
      ${
        listed.length
          ? html`<ul class="kept-list">
              ${listed.map(
                (one) => html`<li key=${one.id} class="kept">
                  <div class="kept-what"><strong>${one.name}</strong>${one.description && html`<p class="muted">${one.description}</p>`}</div>
                  <div class="kept-when muted mono" title="Its id, which tokens that it signed name">${one.id}</div>
                  <div class="kept-do"><button type="button" class="button small danger" aria-label=${`Delete ${one.name}`} onClick=${() => remove(one)}>Delete…</button></div>
                </li>`,
              )}
            </ul>`
          : html`<${Empty} icon="settings" title="No API key"><p>Your own processes on this machine need none.</p><//>`
      }
    <//>`}
    ${making && html`<${KeyDialog} onMade=${done} onClose=${() => setMaking(false)} />`}
  `;
}

function KeyDialog({ onMade, onClose }) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const send = async () => {
    if (!name.trim()) throw { title: "Give it a name", detail: "for whom or what it is, such as ci" };
    onMade(await post(await ofProject("api-keys"), { name: name.trim(), description: description.trim() }));
  };
  return html`<${FormDialog} title="New API key" action="Make it" busyText="Making…" onSend=${send} onClose=${onClose}>
    <${Field} name="key-name" label="Name"><input id="key-name" class="input" value=${name} onInput=${(event) => setName(event.currentTarget.value)} /><//>
    <${Field} name="key-about" label="Description" hint="What it is for, for whoever wonders later."><input id="key-about" class="input" value=${description} onInput=${(event) => setDescription(event.currentTarget.value)} /><//>
  <//>`;
}
