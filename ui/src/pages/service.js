/** One kept service: how it goes in each room, its log, its revisions, its manifest; and what to do with it. */
import { html, useState } from "../core/html.js";
import { del, get } from "../core/api.js";
import { change, isBehind, loaded, newestOf, pathOf, update } from "../core/kept_services.js";
import { ofProject } from "../core/project.js";
import { useResource } from "../core/resource.js";
import { navigate, route, setQuery, url } from "../core/router.js";
import { Badge, State } from "../parts/badge.js";
import { confirm } from "../parts/dialog.js";
import { Empty, Failed, Loading } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { Page } from "../parts/page.js";
import { Tabs } from "../parts/tabs.js";
import { toast, toastError } from "../parts/toast.js";
import { everywhere } from "./services/fares.js";
import { Going } from "./services/going.js";
import { ServiceLog } from "./services/log.js";
import { Diff, Revisions } from "./services/revisions.js";
import { Write } from "./services/write.js";
import { yaml } from "./services/yaml.js";

const LOOK_S = 2;
const BACK = { href: `${url("/services")}?tab=deployed`, label: "Services" };
const TABS = [
  { id: "state", label: "State" },
  { id: "log", label: "Log" },
  { id: "revisions", label: "Revisions" },
  { id: "manifest", label: "Manifest" },
];
const TEMPLATE_TEXT = "meshagent.service.template.yaml";
const TEMPLATE_VALUES = "meshagent.service.template.values";

export function Service({ id }) {
  const { data, error, reload } = useResource(async ({ signal }) => get(await ofProject("service-states"), { signal }), [], { every_s: LOOK_S });
  if (error && !data) return html`<${Page} title="Service" back=${BACK}><${Failed} error=${error} retry=${reload} /><//>`;
  if (!data) return html`<${Page} title="Service" back=${BACK}><${Loading} rows=${6} /><//>`;
  const service = data.services.find((one) => one.id === id);
  if (!service)
    return html`<${Page} title="Service" back=${BACK}><${Empty} icon="services" title="No such service"><p>It was deleted, or never was.</p><p><a class="button" href=${BACK.href}>All services</a></p><//><//>`;
  return html`<${Shown} service=${service} onChanged=${reload} />`;
}

function Shown({ service, onChanged }) {
  const asked = route.value.query.get("tab");
  const tab = TABS.some((one) => one.id === asked) ? asked : "state";
  const rooms = Object.keys(service.states).sort();
  const { tone, word, sentence } = everywhere(service);
  const show = (id) => setQuery({ tab: id === "state" ? null : id }, { push: true });
  return html`<${Page}
    title=${service.name}
    back=${BACK}
    class="services service"
    meta=${html`<${State} tone=${tone}>${word}<//><span>${service.room ? html`in <a href=${url("/rooms", service.room)}>${service.room}</a>` : "in every room"}</span><${Badge}>revision ${service.revision}<//>`}
    actions=${html`<${Actions} service=${service} onChanged=${onChanged} />`}
  >
    <section class="card flush session-more">
      <${Tabs} tabs=${TABS} current=${tab} onChange=${show} label="Parts of the service" />
      ${tab === "state" &&
      html`<div class="session-pane">
        ${rooms.map((room) => html`<${Going} key=${room} service=${service} room=${room} state=${service.states[room]} />`)}
        ${!rooms.length && html`<${Empty} icon="services" title=${service.is_enabled ? "It runs in no room" : "It is disabled"}><p>${service.is_enabled ? sentence : "Enable it, and rooms start it again."}</p><//>`}
      </div>`}
      ${tab === "log" && html`<${ServiceLog} service=${service} rooms=${rooms} />`}
      ${tab === "revisions" && html`<${Revisions} service=${service} onChanged=${onChanged} />`}
      ${tab === "manifest" && html`<${Edit} key=${service.id} service=${service} onChanged=${onChanged} />`}
    </section>
  <//>`;
}

function Actions({ service, onChanged }) {
  const [busy, setBusy] = useState(false);
  const during = (work) => async () => {
    setBusy(true);
    await work().catch(toastError);
    setBusy(false);
  };
  const turn = during(async () => {
    const { name } = service;
    const text = "Where it runs it ends at once, in every room. It is kept, and can be enabled again.";
    if (service.is_enabled && !(await confirm({ title: `Disable ${name}?`, text, action: "Disable" }))) return;
    await change(service, (manifest) => ({ ...manifest, enabled: !service.is_enabled }));
    toast({ text: `${name} is ${service.is_enabled ? "disabled" : "enabled"}.`, tone: "ok" });
    onChanged();
  });
  const remove = during(async () => {
    const text = "Where it runs it ends at once. Its revisions are forgotten, too; this cannot be undone.";
    if (!(await confirm({ title: `Delete ${service.name}?`, text, action: "Delete", tone: "bad" }))) return;
    await del(await pathOf(service.room, service.id));
    toast({ text: `${service.name} is deleted.`, tone: "ok" });
    navigate(BACK.href);
  });
  return html`<button type="button" class="button" disabled=${busy} onClick=${turn}><${Icon} name=${service.is_enabled ? "pause" : "play"} />${service.is_enabled ? "Disable…" : "Enable"}</button>
    <button type="button" class="button danger" disabled=${busy} onClick=${remove}><${Icon} name="close" />Delete…</button>`;
}

/** Its manifest, to be changed; one that was made of a template is changed by its values. */
function Edit({ service, onChanged }) {
  const { data, error, loading, reload } = useResource(() => loaded(service), [service.id]);
  const [seen, setSeen] = useState(0);
  if (error && !data) return html`<div class="session-pane"><${Failed} error=${error} retry=${reload} /></div>`;
  if (!data) return html`<div class="session-pane"><${Loading} rows=${8} label="Loading the manifest" /></div>`;
  const newest = Math.max(seen, service.revision);
  const other = !loading && newest > data.revision ? newest : null;
  const save = async (sent) => {
    try {
      const changed = await update(service, sent, other ?? data.revision);
      toast({ text: `${changed.metadata.name} is changed.`, tone: "ok" });
    } catch (failure) {
      if (!isBehind(failure)) throw failure;
      return setSeen(await newestOf(service));
    }
    reload();
    onChanged();
  };
  return html`<div class="session-pane"><${Write}
    key=${data.revision}
    start=${beginning(data.manifest)}
    action=${other ? `Save over revision ${other}` : "Save as a new revision"}
    onSend=${save}
    notice=${other && html`<${Behind} service=${service} mine=${data.revision} other=${other} />`}
    fixedRoom
  >${other && html`<button type="button" class="button" onClick=${reload}>Discard mine, load revision ${other}</button>`}<//></div>`;
}

/** Another revision came while this one was looked at or changed. */
function Behind({ service, mine, other }) {
  return html`<div class="behind" role="alert">
    <p><strong>Revision ${other} was saved meanwhile.</strong> This is revision ${mine}, with what you changed: save it over revision ${other}, or load that one and change it.</p>
    <details><summary>What changed meanwhile</summary><${Diff} service=${service} old=${mine} new=${other} /></details>
  </div>`;
}

function beginning({ id, ...manifest }) {
  const made = manifest.metadata.annotations ?? {};
  if (made[TEMPLATE_TEXT]) return { text: made[TEMPLATE_TEXT], values: JSON.parse(made[TEMPLATE_VALUES] || "{}") };
  return { text: yaml(manifest) };
}
