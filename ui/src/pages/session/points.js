/** The points of a session's curves.  Pure but for the clock. */
import { uptime } from "./rows.js";

const STEP_S = 0.9;
const STEPS = 240;

/** A curve to this moment: what was found of one that rests may be of half a minute ago. */
export function goingOn(curve, row) {
  if (row.exit || typeof row.cpu_share !== "number") return curve;
  const t = uptime(row);
  if (!(t > curve.t.at(-1))) return { ...curve, cpu: [...curve.cpu.slice(0, -1), row.cpu_share], rss: [...curve.rss.slice(0, -1), row.rss_bytes] };
  return { t: [...curve.t, t], cpu: [...curve.cpu, row.cpu_share], rss: [...curve.rss, row.rss_bytes] };
}

/**
 * A curve at even steps.  Near a limit a session is looked at many times a second, and the processor time of such
 * a moment is all or nothing.
 */
export function evened({ t_s, cpu, rss_bytes }) {
  const step = Math.max(STEP_S, t_s.at(-1) / STEPS);
  const shown = { t: [], cpu: [], rss: [] };
  let [used, since, most, next] = [0, 0, 0, step];
  t_s.forEach((t, i) => {
    used += cpu[i] * (t - (i ? t_s[i - 1] : 0));
    most = Math.max(most, rss_bytes[i]);
    const last = i === t_s.length - 1;
    if (last ? t - since < STEP_S / 2 && shown.t.length > 0 : t < next) return; // too short to say anything
    shown.t.push(t);
    shown.cpu.push(t > since ? used / (t - since) : 0);
    shown.rss.push(most);
    [used, since, most, next] = [0, t, 0, t + step];
  });
  return shown;
}
