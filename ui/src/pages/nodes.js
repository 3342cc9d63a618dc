/** The machines that run sessions: how full each is, which code it has, when it was heard; and their drains. */
import "../style/nodes.css";
import { html, useState } from "../core/html.js";
import { post } from "../core/api.js";
import { bytes, count, number, percent, plural } from "../core/format.js";
import { nodes } from "../core/live.js";
import { route, setQuery, url } from "../core/router.js";
import { State } from "../parts/badge.js";
import { confirm } from "../parts/dialog.js";
import { Empty } from "../parts/empty.js";
import { Filter, matches } from "../parts/filter.js";
import { Page } from "../parts/page.js";
import { Meter } from "../parts/sparkline.js";
import { Table } from "../parts/table.js";
import { toastError } from "../parts/toast.js";

const TONES = { ready: "ok", draining: "busy", suspect: "warn", lost: "bad" };

export function Nodes() {
  const all = nodes.value;
  const wanted = route.value.query.get("q") ?? "";
  if (all === null) {
    return html`<${Page} title="Nodes"><${Empty} icon="nodes" title="This server runs its sessions itself">
      <p>With <code>bulkhead serve --nodes</code> other machines run them: each joins by <code>bulkhead node --join</code>.</p>
    <//><//>`;
  }
  const shown = all.filter((one) => matches(wanted, [one.name, one.state, ...Object.entries(one.code).flat()]));
  const usual = mostFrequent(all.map(codeOf));
  return html`<${Page}
    title="Nodes"
    class="nodes"
    actions=${all.length > 1 ? html`<${Filter} value=${wanted} onInput=${(q) => setQuery({ q })} placeholder="Filter nodes" />` : null}
  >
    ${!all.length && html`<${Empty} icon="nodes" title="No machine has joined yet"><p>Print what one joins with, here: <code>bulkhead nodes token</code></p><//>`}
    ${all.length > 0 && !shown.length && html`<${Empty} icon="search" title="No node matches"><button class="button" onClick=${() => setQuery({ q: null })}>Show all</button><//>`}
    ${shown.length > 0 && html`<${Table} label="Nodes" grow columns=${columnsFor(usual)} rows=${shown} rowKey=${(one) => one.name} rowHeight=${52} rowTone=${(one) => (one.state === "lost" ? "bad" : "")} />`}
  <//>`;
}

function columnsFor(usual) {
  return [
    { id: "state", label: "State", width: "112px", sort: (one) => one.state, cell: (one) => html`<${State} tone=${TONES[one.state] ?? "idle"}>${one.state}<//>` },
    { id: "name", label: "Node", sort: (one) => one.name, cell: Who },
    { id: "sessions", label: "Sessions", width: "132px", align: "right", first: "desc", sort: (one) => one.sessions, cell: Sessions },
    { id: "starts", label: "Starts/s", width: "84px", align: "right", hide: "medium", first: "desc", sort: (one) => one.starts_per_s, cell: (one) => number(one.starts_per_s) },
    { id: "cpu", label: "CPU", width: "104px", hide: "narrow", first: "desc", sort: (one) => one.cpu, cell: (one) => html`<span class="node-share"><${Meter} share=${one.cpu} label=${`CPU ${percent(one.cpu)} of ${plural(one.processors, "processor")}`} /><span class="figure">${percent(one.cpu)}</span></span>` },
    { id: "memory", label: "Memory", width: "132px", hide: "narrow", first: "desc", sort: (one) => one.memory_bytes, cell: Memory },
    { id: "code", label: "Code", width: "22%", hide: "medium", cell: (one) => html`<${Code} node=${one} usual=${usual} />` },
    { id: "beat", label: "Heard", width: "78px", align: "right", sort: (one) => one.silent_s, cell: (one) => (one.silent_s < 1.5 ? html`<span class="muted">now</span>` : `${number(one.silent_s)} s`) },
    { id: "drain", label: html`<span class="sr-only">Drain</span>`, width: "104px", align: "right", cell: (one) => html`<${Drain} node=${one} />` },
  ];
}

function Who(one) {
  const more = one.state === "draining" ? `${count(one.moved)} moved, ${count(one.sessions)} to go` : `boot ${one.boot}`;
  const withheld = one.withheld ? html`<span class="who-more tone-warn-text" title="They went on elsewhere. Look at its log, and start it again.">did not tell of ${plural(one.withheld, "session")}</span>` : null;
  return html`<div class="who"><span class="who-first"><a class="who-name" href=${`${url("/sessions")}?q=${encodeURIComponent(`node:${one.name}`)}`}>${one.name}</a></span>${withheld ?? html`<span class="who-more">${more}</span>`}</div>`;
}

function Sessions(one) {
  const starting = one.starting ? html`<span class="muted"> (${count(one.starting)} starting)</span>` : null;
  return html`<span title=${`at most ${count(one.max_sessions)}`}>${count(one.sessions)}${starting}</span>`;
}

function Memory(one) {
  if (!one.memory_most_bytes) return html`<span class="muted">–</span>`;
  const text = `${bytes(one.memory_bytes)} of ${bytes(one.memory_most_bytes)}`;
  return html`<span class="node-share" title=${text}><${Meter} share=${one.memory_bytes / one.memory_most_bytes} label=${`Memory ${text}`} /><span class="figure">${bytes(one.memory_bytes)}</span></span>`;
}

/** What differs from most machines stands out: a call may get either. */
function Code({ node, usual }) {
  const text = codeOf(node);
  const all = Object.entries(node.code).map(([name, mark]) => `${name}@${mark}`).join("\n");
  if (!text) return html`<span class="muted">–</span>`;
  return html`<span class=${text === usual ? "mono muted node-code" : "mono tone-warn-text node-code"} title=${text === usual ? all : `Not what most machines have\n${all}`}>${text}</span>`;
}

function Drain({ node }) {
  const [busy, setBusy] = useState(false);
  if (node.state === "lost") return null;
  const drained = node.state === "draining";
  const act = async () => {
    const text = `It gets no new sessions, and the ${plural(node.sessions, "session")} it runs go on elsewhere under their ids. It stays so until it is undrained.`;
    if (!drained && !(await confirm({ title: `Drain ${node.name}?`, text, action: "Drain" }))) return;
    setBusy(true);
    await post(`/nodes/${encodeURIComponent(node.name)}/${drained ? "undrain" : "drain"}`, {}).catch(toastError);
    setBusy(false);
  };
  return html`<button type="button" class="button small" disabled=${busy} aria-label=${`${drained ? "Undrain" : "Drain"} ${node.name}`} onClick=${act}>${drained ? "Undrain" : "Drain…"}</button>`;
}

/** Bundles with the first digits of the digests of their code.  Pure. */
export function codeOf(node) {
  return Object.entries(node.code).sort().map(([name, mark]) => (/^[0-9a-f]{12}$/.test(mark) ? `${name}@${mark.slice(0, 4)}` : `${name} (${mark})`)).join(" ");
}

function mostFrequent(texts) {
  const counts = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
}
