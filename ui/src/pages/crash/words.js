/** Texts out of a crash report, fit to be read.  Pure. */
import { bytes, duration } from "../../core/format.js";

const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
// Control characters, and those that turn the direction of writing: code must not read as what it is not.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** What a program wrote, without a terminal's colours and with nothing hidden in it. */
export function visible(text) {
  return String(text ?? "")
    .replace(ESCAPES, "")
    .replace(INVISIBLE, (one) => `⟨U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** A file as its readers call it: below its bundle, its package or Python's own library. */
export function shortFile(file, code) {
  const folder = (code?.file ?? "").replace(/[^/]*$/, "");
  if (folder.length > 1 && file.startsWith(folder)) return file.slice(folder.length);
  return file.replace(/^.*\/(?:site-packages|dist-packages)\//, "").replace(/^.*\/lib\/python3\.\d+\//, "");
}

/** A stack as faulthandler writes it, with its files made short. */
export const shortStack = (text, code) => visible(text).replace(/File "(\/[^"]+)"/g, (_, file) => `File "${shortFile(file, code).replace(/^.*\/(?=runtime\/)/, "")}"`);

/** What to do about it, as it reads where the lines of source stand below it. */
export const cureOf = (report) => visible(report.cure).replace(/\b(?:at )?the line above\b/g, (found) => `${found.startsWith("at ") ? "at " : ""}${report.excerpt ? "the marked line" : "the line below"}`);

/** `file:line in function` with the file made short. */
export function shortPlace(place, code) {
  const at = place.lastIndexOf(":");
  return at < 0 ? place : shortFile(place.slice(0, at), code) + place.slice(at);
}

/** How much it used, at most and all together. */
export function used(report) {
  const use = report.use ?? {};
  const peak = Math.max(report.peak_rss_bytes ?? 0, use.peak_pss_bytes ?? 0, use.peak_rss_bytes ?? 0);
  const cpu_s = Math.max(report.cpu_s ?? 0, use.cpu_s ?? 0);
  const parts = [];
  if (peak) parts.push(`${bytes(peak)} at most`);
  if (cpu_s > 0) parts.push(`${duration(cpu_s)} of processor`);
  if (use.peak_processes > 1) parts.push(`${use.peak_processes} processes`);
  return parts.join(" · ");
}

/** One message of the pipe, or several of a kind in a row. */
export const message = (one) => `${one.kind}${one.count > 1 ? ` ×${one.count}` : ""}`;

/** Whether it is of a session; a service's container has a report, too, and is nothing that could be called again. */
export const isOfSession = (report) => report.session.startsWith("s_");

/** The command that makes the call again; empty where there is none, or nobody knows which code it was. */
export const replayOf = (report) => (isOfSession(report) && report.code.file ? `bulkhead replay ${report.session} --pdb` : "");
