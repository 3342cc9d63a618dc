/** Sessions counted by what they have in common. */
import { endpointName } from "../../core/endpoints.js";
import { bytes, count, percent } from "../../core/format.js";
import { html, useMemo } from "../../core/html.js";
import { setQuery } from "../../core/router.js";
import { words } from "../../parts/badge.js";
import { Table } from "../../parts/table.js";
import { crashed, MEMORY } from "../session/rows.js";

/** What they are grouped by: how it is called, and its value in a row. */
export const GROUPS = {
  room: ["Room", (row) => row.room ?? ""],
  identity: ["Identity", (row) => row.identity ?? ""],
  endpoint: ["Endpoint", (row) => endpointName(row.endpoint, row.bundle)],
  node: ["Node", (row) => row.node ?? ""],
  reason: ["Reason", (row) => row.exit?.reason ?? row.restart?.last_exit?.reason ?? ""],
};

/** One line for each value, with its sums.  Pure. */
export function grouped(rows, by) {
  const of = GROUPS[by][1];
  const groups = new Map();
  for (const row of rows) {
    const value = of(row);
    if (!groups.has(value)) groups.set(value, { value, all: 0, running: 0, crashed: 0, cpu: 0, memory: 0 });
    const group = groups.get(value);
    group.all += 1;
    if (crashed(row)) group.crashed += 1;
    if (row.exit) continue;
    group.running += 1;
    group.cpu += row.cpu_share ?? 0;
    group.memory += row.rss_bytes ?? 0;
  }
  return [...groups.values()].sort((a, b) => b.all - a.all || (a.value < b.value ? -1 : 1));
}

/** A search that finds the sessions of a group.  Pure. */
export const searchFor = (by, value) => value.split(/\s+/).filter(Boolean).map((word) => `${by}:${word}`).join(" ");

export function Groups({ rows, by }) {
  const groups = useMemo(() => grouped(rows, by), [rows, by]);
  const columns = useMemo(() => columnsOf(by), [by]);
  return html`<${Table} label=${`Sessions by ${by}`} columns=${columns} rows=${groups} rowKey=${(group) => group.value} rowTone=${(group) => (group.crashed ? "bad" : "")} keys onOpen=${(group) => open(by, group)} />`;
}

const open = (by, { value }) => value && setQuery({ group: null, q: searchFor(by, value) }, { push: true });

function columnsOf(by) {
  return [
    { id: "value", label: GROUPS[by][0], sort: (group) => group.value, cell: (group) => (group.value ? html`<button type="button" class="link cut" dir="auto" onClick=${() => open(by, group)}>${by === "reason" ? words(group.value) : group.value}</button>` : html`<span class="muted">none</span>`) },
    { id: "all", label: "Sessions", align: "right", width: "96px", first: "desc", sort: (group) => group.all, cell: (group) => count(group.all) },
    { id: "running", label: "Running", align: "right", width: "96px", first: "desc", hide: "narrow", sort: (group) => group.running, cell: (group) => count(group.running) },
    { id: "crashed", label: "Crashed", align: "right", width: "96px", first: "desc", sort: (group) => group.crashed, cell: (group) => count(group.crashed) },
    { id: "cpu", label: "CPU", align: "right", width: "90px", first: "desc", hide: "narrow", sort: (group) => group.cpu, cell: (group) => percent(group.cpu) },
    { id: "memory", label: "Memory", title: MEMORY, align: "right", width: "110px", first: "desc", hide: "narrow", sort: (group) => group.memory, cell: (group) => bytes(group.memory) },
  ];
}
