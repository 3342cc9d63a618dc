/** Every session: those that run, and those that ended lately. */
import "../style/sessions.css";
import { cx, html, useMemo, useState } from "../core/html.js";
import { endpointName } from "../core/endpoints.js";
import { bytes, count, duration, instant, NONE, percent, plural } from "../core/format.js";
import { nodes, sessions } from "../core/live.js";
import { navigate, route, setQuery, url } from "../core/router.js";
import { condition, isClean, State } from "../parts/badge.js";
import { Empty, Loading } from "../parts/empty.js";
import { Filter } from "../parts/filter.js";
import { Page } from "../parts/page.js";
import { Meter, Sparkline } from "../parts/sparkline.js";
import { Table } from "../parts/table.js";
import { Ago } from "../parts/time.js";
import { endMany } from "./session/actions.js";
import { arranged, budgets, crashed, fits, MEMORY, tone, uptime, why } from "./session/rows.js";

import { Groups, GROUPS } from "./sessions/groups.js";

/** What the buttons above the table show. */
const SHOWN = {
  all: ["All", () => true],
  running: ["Running", (row) => !row.exit],
  crashed: ["Crashed", crashed],
  ended: ["Ended", (row) => Boolean(row.exit) && isClean(row.exit.reason)],
};

export function Sessions() {
  const all = sessions.value;
  const query = route.value.query;
  const [asked, shown, by] = [query.get("q") ?? "", query.get("show") ?? "all", query.get("sort") ?? ""];
  const group = GROUPS[query.get("group")] ? query.get("group") : "";
  const [picked, setPicked] = useState(() => new Set());
  const order = useMemo(() => (by ? { by: by.replace(/^-/, ""), down: by.startsWith("-") } : null), [by]);
  const counts = useMemo(() => Object.fromEntries(Object.entries(SHOWN).map(([id, [, test]]) => [id, (all ?? []).filter(test).length])), [all]);
  const rows = useMemo(() => {
    const test = (SHOWN[shown] ?? SHOWN.all)[1];
    return arranged((all ?? []).filter((row) => test(row) && (!asked || fits(row, asked))));
  }, [all, asked, shown]);
  const able = useMemo(() => rows.filter((row) => !row.exit), [rows]);
  const chosen = picked.size ? able.filter((row) => picked.has(row.id)) : [];
  const columns = useMemo(() => [picker(picked, setPicked, able), ...COLUMNS.filter(({ id }) => id !== (nodes.value ? "attempt" : "node"))], [picked, able.length, asked, shown, !nodes.value]);
  const end = async (isKill) => {
    if (await endMany(chosen, { isKill })) setPicked(new Set());
  };
  const body = () => {
    if (!all) return html`<${Loading} rows=${8} />`;
    if (!all.length)
      return html`<${Empty} icon="sessions" title="No session has run yet">
        <p>A session is one run of an agent in a room, in a process of its own. Call an agent into a room and it shows up here.</p>
        <p><a class="button primary" href=${url("/rooms")}>Go to the rooms</a></p>
      <//>`;
    if (!rows.length)
      return html`<${Empty} icon="search" title="No session fits">
        <p>${plural(all.length, "session")} there ${all.length === 1 ? "is" : "are"}, none ${asked ? html`with <code>${asked}</code>` : "of this kind"}.</p>
        <p><button class="button" onClick=${() => setQuery({ q: null, show: null })}>Show all</button></p>
      <//>`;
    if (group) return html`<${Groups} rows=${rows} by=${group} />`;
    return html`<${Table}
      label="Sessions"
      columns=${columns}
      rows=${rows}
      rowKey=${(row) => row.id}
      rowHeight=${46}
      rowTone=${tone}
      keys
      sort=${order}
      onSort=${(next) => setQuery({ sort: next && (next.down ? `-${next.by}` : next.by) })}
      onOpen=${(row) => navigate(url("/sessions", row.id))}
    />`;
  };
  return html`<${Page} title="Sessions" fill class="sessions">
    <div class="toolbar">
      <${Filter} value=${asked} onInput=${(q) => setQuery({ q })} placeholder="Room, identity, state, reason, gen 2" />
      <div class="segments" role="group" aria-label="Which sessions">
        ${Object.entries(SHOWN).map(
          ([id, [label]]) => html`<button key=${id} type="button" class="segment" aria-pressed=${String(shown === id)} onClick=${() => setQuery({ show: id === "all" ? null : id })}>
            ${label}<span class=${cx("segment-count", id === "crashed" && counts.crashed > 0 && "bad")}>${all ? count(counts[id]) : NONE}</span>
          </button>`,
        )}
      </div>
      <label class="group-by"><span class="muted">Group by</span> <select class="select" value=${group} onChange=${(event) => setQuery({ group: event.currentTarget.value || null }, { push: true })}>
        <option value="">nothing</option>
        ${Object.entries(GROUPS).map(([id, [label]]) => html`<option key=${id} value=${id}>${label.toLowerCase()}</option>`)}
      </select></label>
      ${
        chosen.length > 0 &&
        !group &&
        html`<span class="spread"></span><span role="status">${plural(chosen.length, "session")} selected</span>
          <button type="button" class="button" onClick=${() => end(false)}>Stop…</button>
          <button type="button" class="button danger" onClick=${() => end(true)}>Kill…</button>
          <button type="button" class="button quiet" onClick=${() => setPicked(new Set())}>Select none</button>`
      }
    </div>
    ${body()}
  <//>`;
}

/** The boxes by which sessions are selected; that of the head selects all that are shown and run. */
function picker(picked, setPicked, able) {
  const all = able.length > 0 && able.every((row) => picked.has(row.id));
  const turn = (id) => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    setPicked(next);
  };
  return {
    id: "pick",
    label: html`<input type="checkbox" aria-label="Select all that are shown" checked=${all} disabled=${!able.length} onChange=${() => setPicked(all ? new Set() : new Set(able.map((row) => row.id)))} />`,
    width: "36px",
    class: "col-pick",
    cell: (row) => (row.exit ? "" : html`<input type="checkbox" aria-label=${`Select ${row.identity || endpointName(row.endpoint, row.bundle)} ${row.id}`} checked=${picked.has(row.id)} onChange=${() => turn(row.id)} />`),
  };
}

const COLUMNS = [
  { id: "state", label: "State", width: "104px", class: "col-state", sort: (row) => `${{ bad: 0, warn: 1, busy: 2, ok: 3, idle: 4 }[condition(row).tone]}${condition(row).word}`, cell: StateCell },
  { id: "identity", label: "Session", class: "col-identity", sort: (row) => row.identity, span: (row) => (wide.matches && why(row) ? 2 : 1), cell: Who },
  { id: "room", label: "Room", width: "12%", hide: "narrow", sort: (row) => row.room, cell: (row) => (row.room ? html`<a class="plain" href=${url("/rooms", row.room)}>${row.room}</a>` : NONE) },
  { id: "cpu", label: "CPU", width: "114px", align: "right", first: "desc", class: "col-cpu", sort: (row) => (row.exit ? -1 : row.cpu_share ?? 0), cell: Cpu },
  { id: "memory", label: "Memory", title: MEMORY, width: "136px", align: "right", first: "desc", class: "col-memory", sort: (row) => row.rss_bytes, cell: Memory },
  { id: "budget", label: "Budget", width: "78px", hide: "medium", first: "desc", sort: (row) => (row.exit ? -1 : budgets(row)[0]?.share ?? 0), cell: Budget },
  { id: "node", label: "Node", width: "90px", hide: "medium", sort: (row) => row.node, cell: (row) => (row.node ? html`<a class="plain" href=${`${url("/nodes")}?q=${encodeURIComponent(row.node)}`}>${row.node}</a>` : NONE) },
  { id: "code", label: "Code", width: "56px", align: "right", hide: "medium", first: "desc", sort: (row) => row.code_generation, cell: (row) => (row.revision ? html`<span title="The revision of its service that it runs">rev ${row.revision}</span>` : row.code_generation ? html`<span title="Code generation: which load of its bundle it runs">${row.code_generation}</span>` : NONE) },
  { id: "attempt", label: "Attempt", width: "84px", align: "right", hide: "medium", first: "desc", sort: (row) => row.attempt, cell: (row) => row.attempt || NONE },
  { id: "up", label: "Up", width: "104px", align: "right", class: "col-up", hide: "narrow", first: "desc", sort: (row) => (row.exit ? -1e12 + instant(row.exit.at) / 1000 : uptime(row)), cell: (row) => (row.exit ? html`<${Ago} at=${row.exit.at} />` : html`<${Up} row=${row} rev=${row.rev} />`) },
];

/** For itself, because it alone changes each second. */
const Up = ({ row }) => duration(uptime(row));

function StateCell(row) {
  const { tone: of, word } = condition(row);
  return html`<${State} tone=${of}><span class="state-word">${word}</span><//>`;
}

/** Wide enough for a column of rooms, which a sentence may then reach over. */
const wide = matchMedia("(min-width: 700px)");

function Who(row) {
  const sentence = why(row);
  const bad = tone(row) === "bad";
  const room = sentence && row.room && wide.matches;
  return html`<div class="who">
    <span class="who-first"><a class="who-name" href=${url("/sessions", row.id)}>${row.identity || endpointName(row.endpoint, row.bundle)}</a>${room && html` in <a class="plain" href=${url("/rooms", row.room)}>${row.room}</a>`}</span>
    <span class=${cx("who-more", bad && "bad")} title=${sentence || undefined}>${sentence || html`<span class="wide-only">${row.id} · ${endpointName(row.endpoint, row.bundle)}</span><span class="narrow-only">${row.room || row.id}</span>`}</span>
  </div>`;
}

function Cpu(row) {
  if (row.exit) return html`<span class="muted">${duration(row.cpu_s)}</span>`;
  return html`<span class="with-spark"><${Sparkline} values=${row.spark.cpu} top=${0.25} tone=${row.cpu_share > 0.9 ? "warn" : ""} /><span class="figure">${percent(row.cpu_share)}</span></span>`;
}

function Memory(row) {
  if (row.exit) return html`<span class="muted" title="The most memory that it had">${bytes(row.rss_bytes)}</span>`;
  return html`<span class="with-spark"><${Sparkline} values=${row.spark.rss} top=${row.rss_bytes * 1.25} /><span class="figure">${bytes(row.rss_bytes)}</span></span>`;
}

function Budget(row) {
  if (row.exit) return html`<span class="muted">${NONE}</span>`;
  const fullest = budgets(row)[0];
  if (!fullest) return html`<span class="muted" title="It has no limits">none</span>`;
  const text = `${fullest.name}: ${fullest.text}`;
  return html`<span class="budget" title=${text}><${Meter} share=${fullest.share} label=${text} /></span>`;
}
