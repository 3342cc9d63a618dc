/** Every change of a service: what it changed, who made it, and going back to it. */
import { cx, html, useState } from "../../core/html.js";
import { get, post } from "../../core/api.js";
import { pathOf } from "../../core/kept_services.js";
import { useResource } from "../../core/resource.js";
import { Badge } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Failed, Loading } from "../../parts/empty.js";
import { Icon } from "../../parts/icon.js";
import { Ago } from "../../parts/time.js";
import { toast, toastError } from "../../parts/toast.js";

export function Revisions({ service, onChanged }) {
  const load = async ({ signal }) => get(`${await pathOf(service.room, service.id)}/revisions`, { signal });
  const { data, error, reload } = useResource(load, [service.id, service.revision]);
  const [chosen, setChosen] = useState(null);
  const [against, setAgainst] = useState(null);
  if (error && !data) return html`<div class="session-pane"><${Failed} error=${error} retry=${reload} /></div>`;
  if (!data) return html`<div class="session-pane"><${Loading} rows=${5} label="Loading revisions" /></div>`;
  const all = data.revisions;
  const shown = all.find((one) => one.revision === chosen) ?? all[0];
  const older = all.filter((one) => one.revision < shown.revision);
  const base = older.find((one) => one.revision === against) ?? older[0];
  const back = async () => {
    const text = `Its manifest, its image and the versions of its secrets become those of revision ${shown.revision} again, as a new revision. ${service.room ? "Its room follows at once." : "Rooms follow when they open next."}`;
    if (!(await confirm({ title: `Roll ${service.name} back to revision ${shown.revision}?`, text, action: "Roll back" }))) return;
    try {
      await post(`${await pathOf(service.room, service.id)}/rollback`, { revision: shown.revision });
      toast({ text: `${service.name} is back at revision ${shown.revision}.`, tone: "ok" });
      setChosen(null);
      onChanged();
    } catch (failure) {
      toastError(failure);
    }
  };
  return html`<div class="session-pane revisions">
    <ul class="revision-list" aria-label="Revisions, newest first">
      ${all.map(
        (one) => html`<li key=${one.revision}><button type="button" class=${cx("revision", one === shown && "chosen")} aria-pressed=${String(one === shown)} onClick=${() => (setChosen(one.revision), setAgainst(null))}>
          <strong>${one.revision}</strong><span>${one.what}${one.is_current && html` <${Badge} tone="ok">in force<//>`}</span>
          <span class="muted revision-by"><${Ago} at=${one.at} /> ${one.by && `by ${one.by}`}</span>
        </button></li>`,
      )}
    </ul>
    <div class="revision-shown">
      <div class="toolbar">
        <span>Revision ${shown.revision}${base ? " against" : ", the oldest that is kept"}</span>
        ${base && html`<select class="select" aria-label="Compared with" value=${String(base.revision)} onChange=${(event) => setAgainst(Number(event.currentTarget.value))}>${older.map((one) => html`<option key=${one.revision} value=${String(one.revision)}>${one.revision}: ${one.what}</option>`)}</select>`}
        <span class="spread" />
        ${!shown.is_current && html`<button type="button" class="button" onClick=${back}><${Icon} name="reload" size=${14} />Roll back to ${shown.revision}…</button>`}
      </div>
      ${shown.image_digest && html`<p class="muted">Its image was <code>${shown.image_digest}</code></p>`}
      ${base && html`<${Diff} service=${service} old=${base.revision} new=${shown.revision} />`}
    </div>
  </div>`;
}

/** What one revision changed against another. */
export function Diff({ service, old, new: newer }) {
  const load = async ({ signal }) => get(`${await pathOf(service.room, service.id)}/diff?old=${old}&new=${newer}`, { signal });
  const { data, error, reload } = useResource(load, [service.id, old, newer]);
  if (error && !data) return html`<${Failed} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${4} label="Comparing" />`;
  if (!data.diff) return html`<p class="muted">The manifests are alike; versions of secrets differ.</p>`;
  return html`<pre class="code diff" tabindex="0" aria-label=${`What revision ${newer} changed`}>${data.diff
    .trimEnd()
    .split("\n")
    .filter((line) => !/^(---|\+\+\+) /.test(line))
    .map((line, i) => html`<span key=${i} class=${KINDS[line[0]] ?? ""}>${line}${"\n"}</span>`)}</pre>`;
}

const KINDS = { "+": "added", "-": "taken", "@": "hunk" };
