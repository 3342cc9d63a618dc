/** What is said of a session's row: where it stands, what fits a search, how full its budgets are.  Pure but for the clock. */
import { endpointName } from "../../core/endpoints.js";
import { bytes, count, duration, instant, percent } from "../../core/format.js";
import { now } from "../../core/live.js";
import { condition, isClean, words } from "../../parts/badge.js";
import { matches } from "../../parts/filter.js";

const FRESH_MS = 15 * 60_000;
/** How long a row stays red after its session crashed and was started again. */
const RED_MS = 60_000;

/** When many crash at once, those stand before all others for a minute. */
export const STORM = 5;

/** Whether a session crashed, in this attempt or one before, whatever ended it at last. */
export function crashed(row) {
  return [row.exit, row.restart?.last_exit].some((exit) => exit && !isClean(exit.reason));
}

/** Those that crashed within the last minute. */
export const crashedNow = (rows) => rows.filter((row) => row.exit ? !isClean(row.exit.reason) && instant(row.exit.at) > now.peek() - RED_MS : crashedLately(row));

/** Running first, and with them what crashed a moment ago, so that its row stays where it was; newest first. */
export function arranged(rows) {
  const since = now.peek() - FRESH_MS;
  const lately = new Set(crashedNow(rows));
  const isStorm = lately.size >= STORM;
  const late = (row) => (isStorm && lately.has(row) ? -1 : row.exit && (isClean(row.exit.reason) || instant(row.exit.at) < since) ? 1 : 0);
  const keyed = rows.map((row) => ({ row, late: late(row) })); // once for each, not for each comparison
  keyed.sort(({ row: a, late: x }, { row: b, late: y }) => x - y || (a.accepted_at < b.accepted_at ? 1 : a.accepted_at > b.accepted_at ? -1 : a.id < b.id ? -1 : 1));
  return keyed.map(({ row }) => row);
}

/** The colour of the whole row. */
export const tone = (row) => {
  const { tone: of } = condition(row);
  if (of === "bad" || of === "idle") return of;
  return crashedLately(row) ? "bad" : "";
};

/** Whether the attempt before this one crashed a moment ago. */
function crashedLately(row) {
  const last = row.restart?.last_exit;
  return Boolean(last) && !isClean(last.reason) && instant(last.at) > now.peek() - RED_MS;
}

/** Whether every word fits; `room:demo` looks at the room alone, as `identity:`, `state:`, `reason:`, `gen:` (of the code) and `attempt:` do. */
export function fits(row, query) {
  const { word } = condition(row);
  const reason = row.exit?.reason ?? row.restart?.last_exit?.reason ?? "";
  const fields = { room: row.room ?? "", identity: row.identity ?? "", state: `${row.state} ${word}`, reason: `${reason} ${words(reason)}`, gen: String(row.code_generation), attempt: String(row.attempt), endpoint: `${row.endpoint ?? ""} ${endpointName(row.endpoint, row.bundle)}`, node: row.node ?? "" };
  const rest = [];
  const asked = query.replace(/\b(?:code )?gen(?:eration)?\s+(?=\d)/gi, "gen:").replace(/\battempt\s+(?=\d)/gi, "attempt:");
  for (const one of asked.split(/\s+/).filter(Boolean)) {
    const [, name, value] = /^([a-z]+):(.*)$/i.exec(one) ?? [];
    const field = fields[name?.toLowerCase()];
    if (field === undefined) rest.push(one);
    else if (["gen", "attempt"].includes(name.toLowerCase()) ? value && field !== value : !field.toLowerCase().includes(value.toLowerCase())) return false;
  }
  return !rest.length || matches(rest.join(" "), [row.id, row.bundle, row.exit?.message ?? "", ...Object.values(fields)]);
}

/** How much of each budget is used, the fullest first: `[{name, share, text}]`. */
export function budgets(row) {
  const { limits = {} } = row;
  const found = [];
  const add = (name, used, most, format) => {
    if (most > 0 && typeof used === "number") found.push({ name, share: used / most, get text() { return `${format(used)} of ${format(most)}`; } });
  };
  add("share of memory", shareOfMemory(row), limits.memory_bytes, bytes);
  add("processor", row.cpu_share, limits.cpu, percent);
  add("processor time", row.cpu_s, limits.cpu_total_s, duration);
  if (limits.timeout_s > 0) add("time", uptime(row), limits.timeout_s, duration); // who asks for it is drawn each second
  add("threads", row.threads, limits.pids, count);
  add("disk", row.disk_bytes, limits.disk_bytes, bytes);
  add("files", row.fds, limits.files, count);
  return found.sort((a, b) => b.share - a.share);
}

/** What is meant by memory, everywhere. */
export const MEMORY = "Memory: all that its processes have in it; pages that they share with others count whole";
/** And by its share of it, which is what a limit is about. */
export const SHARE = "Its share of memory: each page that it has with others is divided among those who have it; a limit is about this";

/** What counts against a memory limit: pages that it has alone, and its part of those that it shares. */
export const shareOfMemory = (row) => (row.pss_bytes > 0 ? Math.min(row.pss_bytes, row.rss_bytes) : row.rss_bytes);

/** Seconds it has run, going on between two reports of it. */
export function uptime(row) {
  if (row.exit) return row.uptime_s;
  if (!row.seen_at) return row.uptime_s;
  return row.uptime_s + (row.pid ? Math.max(0, now.value - row.seen_at) / 1000 : 0);
}

/** The sentence that belongs in the row: what went wrong, or how it ended. */
export const why = (row) => condition(row).sentence;
