/** What the server does right now, and what is wrong with it. */
import "../style/overview.css";
import { cx, html, useMemo } from "../core/html.js";
import { bytes, clock, count, duration, instant, ms, NONE, percent, plural } from "../core/format.js";
import { endpointName, endpointNames } from "../core/endpoints.js";
import { crashes, endpoints, happened, history, now, overview, sessions } from "../core/live.js";
import { route, setQuery, url } from "../core/router.js";
import { Dot, isClean, words } from "../parts/badge.js";
import { Copy } from "../parts/copy.js";
import { Chart } from "../parts/chart.js";
import { Empty, Loading } from "../parts/empty.js";
import { Card, Page } from "../parts/page.js";
import { Meter, Sparkline } from "../parts/sparkline.js";
import { Ago } from "../parts/time.js";
import { whys } from "../core/storm.js";
import { Hours, SPANS } from "./overview/hours.js";
import { crashedNow, STORM } from "./session/rows.js";

const EVENTS = 12;
/** How long the last crash is news, and how long it is told at all. */
const FRESH_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

export function Overview() {
  const idle = sessions.value?.length === 0 && !Object.keys(history.value?.memory ?? {}).length;
  const asked = route.value.query.get("span") ?? "";
  const span = SPANS[asked] ? asked : "";
  return html`<${Page} title="Overview" class="overview" actions=${html`<${Spans} chosen=${span} />`}>
    <${Wrong} />
    <${Tiles} />
    ${span
      ? html`<${Hours} hours=${SPANS[span][1]} />`
      : idle
      ? html`<${Begin} />`
      : html`<div class="overview-charts">
            <${ByEndpoint} title="Processor time by endpoint" of="cpu" format=${percent} least=${0.1} />
            <${ByEndpoint} title="Memory by endpoint" of="memory" format=${bytes} least=${64 << 20} />
          </div>
          <${Events} />`}
  <//>`;
}

const Spans = ({ chosen }) => html`<div class="segments" role="group" aria-label="How far back">
  ${Object.entries(SPANS).map(([id, [label]]) => html`<button key=${id} type="button" class="segment" aria-pressed=${String(id === chosen)} onClick=${() => setQuery({ span: id || null })}>${label}</button>`)}
</div>`;

const TONES = { error: "bad", warn: "warn", info: "idle" };

/** The banner: everything that is wrong now, and the last crash. */
function Wrong() {
  const alerts = overview.value?.alerts ?? [];
  const last = useMemo(() => (crashes.value ?? []).reduce((a, b) => (!a || b.last_at > a.last_at ? b : a), null), [crashes.value]);
  const age_ms = last ? now.value - instant(last.last_at) : Infinity;
  const shown = age_ms < DAY_MS;
  const storm = crashedNow(sessions.value ?? []);
  if (!alerts.length && !shown && storm.length < STORM) return null;
  const told = (level) => alerts.filter((alert) => (alert.level in TONES ? alert.level : "warn") === level).map((alert) => html`<${Alert} key=${alert.text} ...${alert} />`);
  return html`<div class="wrong">
    ${storm.length >= STORM && html`<div class="notice tone-bad" role="alert">
      <${Dot} tone="bad" />
      <p><strong>${plural(storm.length, "session")} crashed within a minute: </strong>${whys(storm.map((row) => ((end) => ({ reason: end?.reason, sentence: end?.message }))(row.exit ?? row.restart?.last_exit)))}</p>
      <a href=${`${url("/sessions")}?show=crashed`}>Which</a>
    </div>`}
    ${told("error")}
    ${shown &&
    html`<div class=${cx("notice", age_ms < FRESH_MS ? "tone-bad" : "tone-idle")}>
      <${Dot} tone="bad" />
      <p><strong>Last crash, <${Ago} at=${last.last_at} />.</strong> ${last.sentence}${last.count > 1 && html` <span class="muted">${count(last.count)} times so far.</span>`}</p>
      <a href=${url("/crashes", last.fingerprint)}>Read why</a>
    </div>`}
    ${told("warn")}${told("info")}
  </div>`;
}

const Alert = ({ level, text, link }) => html`<div class=${cx("notice", `tone-${TONES[level] ?? "warn"}`)} role=${level === "error" ? "alert" : undefined}>
  <${Dot} tone=${TONES[level] ?? "warn"} /><p>${text}</p>${link && link !== url("/") && html`<a href=${link}>Look</a>`}
</div>`;

function Tiles() {
  const figures = overview.value;
  const past = history.value;
  const capacity = figures?.capacity;
  const states = Object.entries(figures?.by_state ?? {}).map(([state, many]) => `${count(many)} ${words(state)}`);
  const tail = (values) => values?.slice(-60) ?? [];
  return html`<div class="tiles">
    <${Tile} name="Sessions" value=${count(figures?.sessions)} href=${url("/sessions")} curve=${tail(past?.sessions)} note=${states.join(" · ") || "none"} />
    <${Tile} name="Starts per minute" value=${count(figures?.starts_per_min)} curve=${tail(past?.starts)} note=${capacity?.queued ? `${count(capacity.queued)} wait for their turn` : "nobody waits"} />
    <${Tile} name="Crashes per minute" value=${count(figures?.crashes_per_min)} tone=${figures?.crashes_per_min ? "bad" : ""} href=${url("/crashes")} curve=${tail(past?.crashes)} note=${crashes.value?.length ? `${plural(crashes.value.length, "kind")} known` : "none known"} />
    <${Tile} name="Front loop lag" value=${ms(figures?.loop_lag_ms)} tone=${figures?.loop_lag_ms > 250 ? "warn" : ""} curve=${tail(past?.lag_ms)} note=${figures?.loop_lag_ms > 250 ? "the front is held up" : "answers at once"} />
    <${Tile} name="Saved by sharing" value=${bytes(figures?.saved_bytes)} note=${saved(figures)} />
    <${Tile} name="Capacity" value=${capacity ? html`${count(capacity.sessions)}<small> of ${count(capacity.max_sessions)}</small>` : NONE} note=${capacity?.headroom_bytes == null ? "sessions" : `${bytes(capacity.headroom_bytes)} free`}>
      ${capacity && html`<${Meter} share=${capacity.sessions / capacity.max_sessions} label=${`${count(capacity.sessions)} of ${count(capacity.max_sessions)} sessions`} />`}
    <//>
  </div>`;
}

/** How much of what sessions would take alone they do not. */
function saved(figures) {
  const alone = Object.values(figures?.memory_by_endpoint ?? {}).reduce((sum, one) => sum + one, 0);
  return figures?.saved_bytes && alone ? `${percent(figures.saved_bytes / alone)} of ${bytes(alone)}` : "by shared pages";
}

function Tile({ name, value, note, tone, href, curve, children }) {
  const Frame = href ? "a" : "div";
  return html`<${Frame} class=${cx("tile", tone && `tone-${tone}`)} href=${href}>
    <span class="tile-name">${name}</span>
    <span class="tile-row"><b class="tile-value">${value}</b>${curve && html`<${Sparkline} values=${curve} tone=${tone} top=${1} />`}${children}</span>
    <span class="tile-note cut">${note}</span>
  <//>`;
}

function ByEndpoint({ title, of, format, least }) {
  const past = history.value;
  const t = useMemo(() => past?.at_ms.map((at) => at / 1000) ?? [], [past]);
  const series = useMemo(() => {
    const names = endpointNames(Object.keys(past?.[of] ?? {}));
    return Object.entries(past?.[of] ?? {})
      .map(([path, values]) => ({ label: names.get(path), values }))
      .sort((a, b) => (a.label < b.label ? -1 : 1));
  }, [past, endpoints.value]);
  const empty = !series.length;
  return html`<${Card} title=${title}>
    ${!past
      ? html`<${Loading} rows=${5} />`
      : empty
        ? html`<div class="chart-empty">${of === "cpu" ? "No session runs; nothing is used." : "No session runs; what the front takes is not counted here."}</div>`
        : html`<${Chart} label=${title} t=${t} series=${series} stacked format=${format} least=${least} sync="overview" span_s=${300} height=${180} />`}
  <//>`;
}

/** A server that nobody has called yet. */
function Begin() {
  const ready = endpoints.value?.filter((one) => one.state === "ready") ?? [];
  const path = (ready.find((one) => one.kind === "chatbot") ?? ready[0])?.path ?? "/chat";
  const command = `curl -X POST ${location.origin}${path} -H 'content-type: application/json' \\\n  -d '{"event": "room.call", "data": {"room_name": "demo"}}'`;
  return html`<${Card}><${Empty} icon="rooms" title="No agent is in a room yet">
    <p>Open a room and talk to one, or call one there:</p>
    <pre class="code" tabindex="0">${command}</pre>
    <div class="buttons"><a class="button primary" href=${url("/rooms")}>Go to the rooms</a><${Copy} text=${command} label="Copy the command" /></div>
  <//><//>`;
}

function Events() {
  const events = useMemo(() => {
    const told = happened.value.filter((event) => event.type !== "session.status" && event.type !== "session.placed").slice(0, EVENTS);
    return [...told, ...before(told.at(-1)?.at ?? "~", sessions.peek() ?? [])].slice(0, EVENTS);
  }, [happened.value, sessions.value === null]);
  return html`<${Card} title="What happened" flush>
    ${events.length
      ? html`<ol class="events">${events.map((event, i) => html`<${Event} key=${`${event.at}${event.session}${event.type}${i}`} event=${event} />`)}</ol>`
      : html`<p class="events-none">Nothing yet.</p>`}
  <//>`;
}

/** What can be told of the time before this page was opened: who came, and who went. */
function before(at, rows) {
  return rows
    .flatMap((row) => {
      const who = { session: row.id, identity: row.identity, endpoint: row.endpoint, room: row.room };
      const came = { type: "session.accepted", at: row.accepted_at, ...who };
      const ends = [row.restart?.last_exit, row.exit].filter(Boolean);
      return [came, ...ends.map((exit) => ({ type: isClean(exit.reason) ? "session.exited" : "session.crashed", at: exit.at, exit, sentence: exit.message, ...who }))];
    })
    .filter((event) => event.at < at)
    .sort((a, b) => (a.at < b.at ? 1 : -1))
    .slice(0, EVENTS);
}

function Event({ event }) {
  const { tone, text } = told(event);
  return html`<li class="event">
    <time class="muted">${clock(event.at)}</time>
    <${Dot} tone=${tone} />
    <span class="event-who">${event.session ? html`<a href=${url("/sessions", event.session)}>${event.identity || endpointName(event.endpoint)}</a>${event.room && html` <span class="muted">in ${event.room}</span>`}` : html`<span class="muted">${words(event.type).replace(".", " ")}</span>`}</span>
    <span class="event-text">${text}</span>
  </li>`;
}

/** An event of the feed in words. */
export function told(event) {
  switch (event.type) {
    case "session.accepted":
      return { tone: "busy", text: "called" };
    case "session.placed":
      return { tone: "busy", text: "a process is being had" };
    case "session.started":
      return { tone: "busy", text: `process ${event.pid} started` };
    case "session.ready":
      return { tone: "ok", text: `ready after ${ms(event.start_ms)}` };
    case "session.stopping":
      return { tone: "warn", text: `asked to stop: ${words(event.reason)}` };
    case "session.exited":
      return { tone: "idle", text: event.exit?.message ?? "ended" };
    case "session.crashed":
      return { tone: "bad", text: event.sentence };
    case "session.warned":
    case "confinement.refused":
      return { tone: "warn", text: event.message };
    case "session.status":
      return { tone: "ok", text: Object.entries(event.status ?? {}).map(([name, value]) => `${words(name)} ${value}`).join(", ") };
    case "session.restarting":
      return { tone: "warn", text: `restart ${event.restart} of ${event.most} in ${duration(event.delay_s)}, after: ${event.exit?.message ?? "an end"}` };
    case "bundles.changed": {
      const failed = event.bundles?.filter((one) => one.state === "failed") ?? [];
      return failed.length ? { tone: "bad", text: `${failed.map((one) => one.name).join(", ")} cannot be loaded` } : { tone: "idle", text: (event.bundles ?? []).map((one) => `${one.name} ${one.state}`).join(", ") };
    }
    default: {
      const tone = /fail|error|quarantine/.test(event.type) ? "bad" : "idle";
      return { tone, text: event.message ?? event.sentence ?? event.error ?? event.name ?? event.bundle ?? words(event.type?.split(".").pop()) };
    }
  }
}
