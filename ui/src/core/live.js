/**
 * The one connection to `/studio/live`, and what it says as signals.
 *
 * Events are applied to plain objects as they come; signals change at most four times a second, all together,
 * and not at all while the page is hidden.  A page that is hidden has no connection, and starts with a fresh
 * picture when it is looked at.
 */
import { batch, effect, signal } from "./html.js";
import { checkAccess, denied } from "./api.js";
import { openFeed } from "./feed.js";

const FLUSH_MS = 250;
/** After this much silence what is shown counts as old; after the second the connection is made anew. */
const OLD_MS = 5000;
const SILENT_MS = 12_000;
const HIDDEN_MS = 2000;
const SPARK_COUNT = 60;
const HISTORY_MS = 600_000;
const HISTORY_COUNT = 700;

/** `connecting` (never was), `live`, or `lost`. */
export const connection = signal("connecting");
/** When something last came, in milliseconds of this browser's clock; 0 before the first. */
export const lastNews = signal(0);
/** `{epoch, version, now_ms, started_at}` of the server, or null. */
export const hello = signal(null);
/** Rows of `/workers` with `cpu_share`, `spark` and `warned`; running first, then those that ended; null until known. */
export const sessions = signal(null);
/** The newest `overview` event, or null. */
export const overview = signal(null);
/** Ten minutes of it in columns: `{at_ms, sessions, starts, crashes, lag_ms, cpu: {endpoint: []}, memory: {}}`. */
export const history = signal(null);
/** `GET /workers`' bundles and endpoints, `GET /crashes`' groups, `GET /rooms`' rooms; null until known. */
export const bundles = signal(null);
export const endpoints = signal(null);
export const crashes = signal(null);
export const rooms = signal(null);
/** `GET /nodes`' machines; null where the server runs its sessions itself. */
export const nodes = signal(null);
/** The last fifty events of the feed, newest first. */
export const happened = signal([]);
/** The server's clock in milliseconds, once a second while the page is visible. */
export const now = signal(Date.now());

const rows = new Map();
/** Rows are changed where they are: `rev` of each is another number then. */
let revs = 0;
let known = false;
let news = { happened: [] };
let columns = null;
let skew_ms = 0;
let leave = null;
let retry_ms = 0;
let timer = 0;
let flushing = 0;
let hiddenTimer = 0;
const listeners = new Set();

/** Call `listen(event)` for every feed event as it comes; returns what ends that. */
export function onHappened(listen) {
  listeners.add(listen);
  return () => listeners.delete(listen);
}

/** The newest row of a session, or undefined. */
export const row = (id) => rows.get(id);

/** The server's clock now, in milliseconds. */
export const serverNow = () => Date.now() + skew_ms;

export function start() {
  setInterval(() => {
    if (document.hidden) return;
    now.value = serverNow();
    const silent_ms = Date.now() - Math.max(heard, opened);
    if (leave && connection.value === "live" && silent_ms > OLD_MS) connection.value = "lost";
    if (leave && silent_ms > SILENT_MS) reconnect();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(close, HIDDEN_MS);
      return;
    }
    if (leave) flush();
    else open();
  });
  addEventListener("online", () => connection.value === "live" || reconnect());
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && !document.hidden && open());
  effect(() => {
    if (denied.value) close();
  });
  open();
}

/** Try again now. */
export function reconnect() {
  close();
  retry_ms = 0;
  open();
}

let heard = 0;
let opened = 0;

function open() {
  if (denied.peek() || leave || document.hidden) return;
  clearTimeout(timer);
  opened = Date.now();
  leave = openFeed(Object.keys(APPLY), { heard: take, failed });
}

function take(kind, text) {
  heard = Date.now();
  retry_ms = 0;
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    return;
  }
  APPLY[kind](data);
  lastNews.value = heard;
  if (connection.peek() !== "live") connection.value = "live";
  later();
}

function failed(isOver) {
  connection.value = lastNews.peek() ? "lost" : "connecting";
  if (!isOver) return; // it is tried again by itself
  close();
  again();
}

function close() {
  clearTimeout(timer);
  leave?.();
  leave = null;
}

async function again() {
  retry_ms = Math.min(8000, retry_ms ? retry_ms * 2 : 500);
  const wait_ms = retry_ms;
  await checkAccess(); // the browser does not say why a stream was refused
  timer = setTimeout(open, wait_ms);
}

const APPLY = {
  hello(data) {
    skew_ms = data.now_ms ? data.now_ms - Date.now() : 0;
    news.hello = data;
  },
  sessions(data) {
    rows.clear();
    for (const one of data.rows) rows.set(one.id, withShare(one));
    known = true;
    news.sessions = true;
  },
  session(data) {
    const one = data.row ?? data;
    const was = rows.get(one.id);
    const warned = was?.attempt === one.attempt ? was?.warned : undefined;
    rows.set(one.id, withShare({ ...one, spark: one.spark ?? was?.spark, cpu_share: was?.cpu_share, warned }));
    news.sessions = true;
  },
  gone(data) {
    rows.delete(data.id);
    news.sessions = true;
  },
  samples(data) {
    for (const one of rows.values()) {
      if (one.exit) continue;
      const sample = data.of[one.id];
      if (sample) {
        const [cpu, rss, lag, cpu_s, pss, threads, fds] = sample;
        Object.assign(one, { cpu_share: cpu, rss_bytes: rss, lag_ms: lag, cpu_s, pss_bytes: pss, threads, fds });
        one.still = 0;
      } else if (one.cpu_share === null || (one.still += 1) > SPARK_COUNT) continue; // its curves are level
      one.rev = revs += 1;
      push(one.spark.cpu, one.cpu_share, SPARK_COUNT);
      push(one.spark.rss, one.rss_bytes, SPARK_COUNT);
      news.sessions = true;
    }
  },
  overview(data) {
    const { history: past, ...current } = data;
    if (past) columns = { cpu: {}, memory: {}, ...past, starts: perMinute(past.at_ms, past.starts), crashes: perMinute(past.at_ms, past.crashes) };
    else if (columns) grow(columns, current);
    news.overview = current;
  },
  bundles(data) {
    news.bundles = data.bundles;
    news.endpoints = data.endpoints;
  },
  crashes(data) {
    news.crashes = data.crashes;
  },
  rooms(data) {
    news.rooms = data.rooms;
  },
  nodes(data) {
    news.nodes = data.nodes;
  },
  happened(data) {
    news.happened.unshift(data);
    const about = rows.get(data.session);
    if (about && data.type === "session.warned") {
      about.rev = revs += 1;
      about.warned = { kind: data.kind, at: data.at, message: data.message };
      news.sessions = true;
    }
    news.happened.length = Math.min(news.happened.length, 50);
    for (const listen of listeners) listen(data);
  },
};

function withShare(one) {
  one.seen_at = serverNow();
  one.rev = (revs += 1);
  one.still = 0; // seconds since a figure of it changed
  one.spark ??= { cpu: [], rss: [] };
  if (one.cpu_share === undefined) one.cpu_share = one.exit ? null : one.spark.cpu.at(-1) ?? null;
  return one;
}

function grow(into, point) {
  push(into.at_ms, point.at_ms, HISTORY_COUNT);
  push(into.sessions, point.sessions, HISTORY_COUNT);
  push(into.starts, point.starts_per_min, HISTORY_COUNT);
  push(into.crashes, point.crashes_per_min, HISTORY_COUNT);
  push(into.lag_ms, point.loop_lag_ms, HISTORY_COUNT);
  for (const [name, by] of [["cpu", point.cpu_by_endpoint], ["memory", point.memory_by_endpoint]]) {
    const all = into[name];
    for (const endpoint of Object.keys(by ?? {})) all[endpoint] ??= new Array(into.at_ms.length - 1).fill(0);
    for (const [endpoint, values] of Object.entries(all)) {
      push(values, by?.[endpoint] ?? 0, HISTORY_COUNT);
      if (!(endpoint in (by ?? {})) && !values.some(Boolean)) delete all[endpoint];
    }
  }
  const old = into.at_ms.findIndex((at) => at > point.at_ms - HISTORY_MS);
  if (old <= 0) return;
  for (const values of [into.at_ms, into.sessions, into.starts, into.crashes, into.lag_ms, ...Object.values(into.cpu), ...Object.values(into.memory)]) {
    values.splice(0, old);
  }
}

/** What happened between two points of the history, as what happened in the minute before each. */
function perMinute(at_ms, counts) {
  let first = 0;
  let sum = 0;
  return counts.map((count, i) => {
    sum += count;
    while (at_ms[first] <= at_ms[i] - 60_000) {
      sum -= counts[first];
      first += 1;
    }
    return sum;
  });
}

function push(values, value, most) {
  values.push(value);
  if (values.length > most) values.splice(0, values.length - most);
}

function later() {
  if (!flushing && !document.hidden) flushing = setTimeout(flush, FLUSH_MS);
}

function flush() {
  clearTimeout(flushing);
  flushing = 0;
  const fresh = news;
  news = { happened: [] };
  batch(() => {
    if (fresh.hello) hello.value = fresh.hello;
    if (fresh.sessions && known) sessions.value = [...rows.values()];
    if (fresh.overview) {
      overview.value = fresh.overview;
      if (columns) history.value = { ...columns };
    }
    if (fresh.bundles) bundles.value = fresh.bundles;
    if (fresh.endpoints) endpoints.value = fresh.endpoints;
    if (fresh.crashes) crashes.value = fresh.crashes;
    if (fresh.rooms) rooms.value = fresh.rooms;
    if (fresh.nodes) nodes.value = fresh.nodes;
    if (fresh.happened.length) happened.value = [...fresh.happened, ...happened.peek()].slice(0, 50);
  });
}
