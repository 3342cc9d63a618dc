/** Numbers and times as people read them.  Pure; what is unknown is an en dash. */

export const NONE = "–";
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** `43008` -> `42 KiB`. */
export function bytes(value) {
  if (!known(value)) return NONE;
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 1023.5 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const text = unit === 0 || size >= 99.95 ? Math.round(size) : trim(size, size >= 9.995 ? 1 : 2);
  return `${value < 0 ? "−" : ""}${text} ${UNITS[unit]}`;
}
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A share (of one core, or of a whole): `0.973` -> `97 %`. */
export function percent(value) {
  if (!known(value)) return NONE;
  const hundredths = value * 100;
  return `${Math.abs(hundredths) < 9.95 && Math.abs(hundredths) >= 0.05 ? hundredths.toFixed(1) : Math.round(hundredths)} %`;
}

/** Cores: `1.5` -> `1.5 cores`. */
export const cores = (value) => (known(value) ? `${trim(value, 2)} ${value === 1 ? "core" : "cores"}` : NONE);

/** `12345` -> `12,345`. */
export const count = (value) => (known(value) ? GROUPED.format(Math.round(value)) : NONE);
// Made once: a call of toLocaleString makes one, and tables write thousands of numbers.
const GROUPED = new Intl.NumberFormat("en-US");

/** `plural(2, "session")` -> `2 sessions`. */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** A rate or another plain number, with no more digits than it deserves. */
export const number = (value) => (known(value) ? (Math.abs(value) >= 99.5 ? count(value) : trim(value, Math.abs(value) >= 9.95 ? 1 : 2)) : NONE);

/** A length of time in seconds: `0.034` -> `34 ms`, `242` -> `4m 02s`. */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds < 0) return NONE;
  if (seconds === 0) return "0 s";
  if (seconds < 0.9995) return ms(seconds * 1000);
  if (seconds < 59.95) return `${seconds < 9.995 ? trim(seconds, 1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [d, h, m, s] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  if (d) return `${d}d ${pad(h)}h`;
  if (h) return `${h}h ${pad(m)}m`;
  return `${m}m ${pad(s)}s`;
}

/** Milliseconds: `0.4` -> `0.4 ms`. */
export const ms = (value) => (known(value) ? `${value < 9.95 ? trim(value, 1) : Math.round(value)} ms` : NONE);

/** Milliseconds since the epoch of an ISO text, a number of seconds or of milliseconds; NaN when it is none. */
export function instant(at) {
  if (typeof at === "string") return Date.parse(at);
  if (!known(at)) return NaN;
  return at < 1e11 ? at * 1000 : at;
}

/** `12 s ago`; `now` in milliseconds. */
export function ago(at, now) {
  const then = instant(at);
  if (Number.isNaN(then)) return NONE;
  const seconds = Math.max(0, (now - then) / 1000);
  if (seconds < 1.5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** The time of day in the reader's zone: `09:14:03`; with `millis`, `09:14:03.412`. */
export function clock(at, { millis = false } = {}) {
  const date = new Date(instant(at));
  if (Number.isNaN(date.getTime())) return NONE;
  const text = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return millis ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Date and time in the reader's zone: `2026-11-22 09:14:03`. */
export function stamp(at) {
  const date = new Date(instant(at));
  if (Number.isNaN(date.getTime())) return NONE;
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clock(date.getTime())}`;
}

/** The day in the reader's zone: `22 Nov`. */
export const day = (at) => new Date(instant(at)).toLocaleDateString("en-GB", { day: "numeric", month: "short" });

const pad = (value) => String(value).padStart(2, "0");
const trim = (value, digits) => String(Number(value.toFixed(digits)));

/** An image by its reference; a bundle that was deployed has its digest, in short, for one. */
export const imageName = (image) => image.replace(/^bulkhead\.deployed\/[^@]+@(sha256:[0-9a-f]{12})[0-9a-f]{52}$/, "$1 (deployed)");
