/** The bundles this server runs and what is wrong with those that do not load; the services that it keeps for rooms. */
import { html, useMemo, useState } from "../core/html.js";
import { get } from "../core/api.js";
import { endpointName, serviceOf } from "../core/endpoints.js";
import { plural } from "../core/format.js";
import { bundles, crashes, endpoints, sessions } from "../core/live.js";
import { useResource } from "../core/resource.js";
import { route, setQuery, url } from "../core/router.js";
import { Badge, State, words } from "../parts/badge.js";
import { Copy } from "../parts/copy.js";
import { Empty, Failed, Loading } from "../parts/empty.js";
import { Filter, matches } from "../parts/filter.js";
import { Icon } from "../parts/icon.js";
import { Card, Page } from "../parts/page.js";
import { Tabs } from "../parts/tabs.js";
import { visible } from "./crash/words.js";
import { CallDialog } from "./services/call.js";
import { Deployed } from "./services/deployed.js";
import { limitRows } from "./services/limits.js";
import { UsageTable } from "./services/usage.js";
import { yaml } from "./services/yaml.js";

const TONES = { ready: "ok", loading: "busy", failed: "bad" };
const TABS = [
  { id: "services", label: "Agents" },
  { id: "deployed", label: "Deployed" },
  { id: "usage", label: "Usage" },
  { id: "manifest", label: "Manifest" },
];

export function Services() {
  const query = route.value.query;
  const asked = query.get("tab");
  const tab = TABS.some(({ id }) => id === asked) ? asked : "services";
  const wanted = query.get("q") ?? "";
  const all = bundles.value;
  return html`<${Page}
    title="Services"
    class="services"
    actions=${(tab === "services" && all?.length > 1) || tab === "deployed" ? html`<${Filter} value=${wanted} onInput=${(q) => setQuery({ q })} placeholder="Filter services" /><a class="button primary" href=${url("/services", "new")}><${Icon} name="plus" />New service</a>` : null}
  >
    <${Tabs} label="Parts of services" current=${tab} onChange=${(id) => setQuery({ tab: id === "services" ? null : id, q: null }, { push: true })} tabs=${TABS} />
    ${tab === "services" && html`<${Bundles} wanted=${wanted} />`}
    ${tab === "deployed" && html`<${Deployed} wanted=${wanted} />`}
    ${tab === "usage" && html`<${UsageTable} />`}
    ${tab === "manifest" && html`<${Manifest} />`}
  <//>`;
}

function Bundles({ wanted }) {
  const all = bundles.value;
  const paths = endpoints.value ?? [];
  const [called, setCalled] = useState(null);
  const running = useMemo(() => tally(sessions.value ?? [], (one) => (one.exit ? null : one.endpoint)), [sessions.value]);
  const crashed = useMemo(() => tally(crashes.value ?? [], (one) => one.endpoint, (one) => one.count), [crashes.value]);
  if (all === null) return html`<${Loading} rows=${6} label="Loading services" />`;
  if (!all.length) {
    return html`<${Empty} icon="services" title="No agent is loaded">
      <p>Put a file such as <code>main.py</code> with a <code>ServiceHost</code> into the folder of agents; it is loaded as soon as it is saved. <code>bulkhead demo</code> shows examples.</p>
    <//>`;
  }
  const shown = all.filter((bundle) => {
    const own = paths.filter((one) => one.bundle === bundle.name);
    return matches(wanted, [bundle.name, bundle.source, bundle.state, bundle.error ?? "", ...own.flatMap((one) => [one.path, endpointName(one.path, one.bundle), one.identity, one.class, words(one.kind), one.description])]);
  });
  // What is broken first: it is what a reader came for.
  const order = [...shown].sort((a, b) => Boolean(b.error) - Boolean(a.error) || a.name.localeCompare(b.name));
  return html`
    ${!shown.length && html`<${Empty} icon="search" title="No service matches"><button class="button" onClick=${() => setQuery({ q: null })}>Show all</button><//>`}
    <div class="bundles">${order.map((bundle) => html`<${Bundle} key=${bundle.name} bundle=${bundle} paths=${paths.filter((one) => one.bundle === bundle.name)} running=${running} crashed=${crashed} onCall=${setCalled} />`)}</div>
    ${called && html`<${CallDialog} endpoint=${called} onClose=${() => setCalled(null)} />`}
  `;
}

function Bundle({ bundle, paths, running, crashed, onCall }) {
  const served = paths.filter((one) => one.state === "ready" && one.path);
  const older = bundle.error && served.length ? Math.max(...served.map((one) => one.code_generation)) : 0;
  const title = html`<span class="bundle-title"><span class="bundle-name">${bundle.name}</span><${Badge} tone=${TONES[bundle.state] ?? "idle"}>${bundle.state}<//></span>`;
  return html`<${Card} title=${title} flush class="bundle" actions=${html`<span class="bundle-source mono muted" title=${bundle.source}><bdi>${bundle.source}</bdi></span><${Copy} text=${bundle.source} title="Copy the path" />`}>
    ${bundle.error &&
    html`<div class="bundle-error" role="alert">
      <p><strong>${visible(bundle.error)}</strong></p>
      ${older ? html`<p>Generation ${older} keeps serving; fix it and save again.</p>` : null}
      ${bundle.detail && html`<details open><summary>Traceback</summary><div class="fold-body"><pre tabindex="0">${visible(bundle.detail).trimEnd()}</pre><${Copy} text=${bundle.detail} title="Copy the traceback" /></div></details>`}
    </div>`}
    ${served.length > 0 && html`<ul class="endpoints">
      ${served.map((one) => html`<${Endpoint} key=${one.path} endpoint=${one} generation=${bundle.code_generation} running=${running.get(one.path) ?? 0} crashed=${crashed.get(one.path) ?? 0} onCall=${onCall} />`)}
    </ul>`}
    <p class="bundle-foot muted">
      <span>code generation ${bundle.code_generation}</span>
      ${bundle.pid !== null && html`<span title="The process that has imported the program; sessions are forked from it">template pid <span class="mono">${bundle.pid}</span></span>`}
      <span title="Processes that were forked early and wait for a session">${plural(bundle.parked, "process", "processes")} parked</span>
      ${bundle.threads.length > 0 && html`<span class="tone-warn-text">its import leaves ${bundle.threads.length === 1 ? "a thread" : "threads"} running (${bundle.threads.join(", ")}): each session starts a fresh interpreter</span>`}
    </p>
  <//>`;
}

function Endpoint({ endpoint, generation, running, crashed, onCall }) {
  const limits = limitRows(endpoint.limits, endpoint.limit_sources);
  return html`<li class="endpoint">
    <div class="endpoint-head">
      <span class="endpoint-path mono" title=${endpoint.path}>${endpointName(endpoint.path, endpoint.bundle)}</span>${serviceOf(endpoint.path) && html`<${Copy} text=${endpoint.path} title="Copy the path that it is called at" />`}
      <span class="endpoint-who">as <strong>${endpoint.identity}</strong></span>
      <${Badge}>${words(endpoint.kind)}<//>
      ${endpoint.class && html`<span class="mono muted">${endpoint.class}</span>`}
    </div>
    <p class="endpoint-about">${endpoint.title && endpoint.title !== endpoint.identity ? html`<strong>${endpoint.title}</strong>${endpoint.description ? ": " : ""}` : ""}${endpoint.description}</p>
    <div class="endpoint-foot">
      <a href=${`${url("/sessions")}?q=${encodeURIComponent(endpointName(endpoint.path, endpoint.bundle))}`}><${State} tone=${running ? "ok" : "idle"}>${plural(running, "session")}<//></a>
      ${crashed > 0 && html`<a href=${`${url("/crashes")}?q=${encodeURIComponent(endpointName(endpoint.path, endpoint.bundle))}`}><${State} tone="bad">${plural(crashed, "crash", "crashes")}<//></a>`}
      ${endpoint.code_generation !== generation && html`<span class="tone-warn-text">still generation ${endpoint.code_generation}</span>`}
      ${limits.length > 0 && html`<details class="limits">
        <summary>Limits</summary>
        <table><tbody>${limits.map(([name, value, source]) => html`<tr key=${name}><th scope="row">${name}</th><td>${value}</td><td class="muted">${source}</td></tr>`)}</tbody></table>
      </details>`}
      <button type="button" class="button endpoint-call" onClick=${() => onCall(endpoint)}>Call into a room…</button>
    </div>
  </li>`;
}

function Manifest() {
  const { data, error, reload } = useResource(({ signal }) => get("/.well-known/meshagent-service.json", { signal }), []);
  if (error) return html`<${Failed} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${8} label="Loading the manifest" />`;
  const text = yaml(data);
  return html`<p class="muted">This server's agents as one service. <code>bulkhead service spec</code> prints it for one program, with a name, an image or an address of your own.</p>
    <${Card} title="meshagent.yaml" flush actions=${html`<${Copy} label="Copy" title="Copy the manifest" text=${text} />`}><pre class="manifest" tabindex="0">${text}</pre><//>`;
}

function tally(rows, name, weight = () => 1) {
  const counts = new Map();
  for (const row of rows) {
    const key = name(row);
    if (key !== null) counts.set(key, (counts.get(key) ?? 0) + weight(row));
  }
  return counts;
}
