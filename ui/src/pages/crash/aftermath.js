/** What came after a crash: of the session itself, and of those beside it.  Pure. */
import { meaning } from "../../core/ends.js";
import { duration, instant, plural } from "../../core/format.js";

const ENDING_WITH_IT_MS = 1000;

/**
 * What became of the session, as `{tone, text}`.
 *
 * @param report the report; @param worker its session as it is now, or null when nobody knows it any more
 * @param now_ms the server's clock
 */
export function next(report, worker, now_ms) {
  if (!worker) return { tone: "idle", text: "The server knows nothing of this session any more; only its report is left." };
  const restart = worker.restart ?? {};
  if (worker.attempt > report.attempt) {
    const attempt = `It was started again: attempt ${worker.attempt}`;
    if (!worker.exit) return { tone: "ok", text: `${attempt} is ${words(worker.state)}.` };
    return { tone: "bad", text: `${attempt} has ended, too: ${worker.exit.message || worker.exit.reason}.` };
  }
  if (!worker.exit) {
    const wait_s = restart.at ? (instant(restart.at) - now_ms) / 1000 : 0;
    return { tone: "warn", text: wait_s > 0.5 ? `It is started again in ${duration(wait_s)}.` : "It is being started again." };
  }
  const meant = meaning(worker.exit.reason);
  if (meant.whose === "input") return { tone: meant.tone, text: meant.aftermath };
  const given = /; (given up .*)$/.exec(worker.exit.message ?? "");
  if (given) return { tone: "bad", text: `It was ${given[1]}.` };
  if (restart.policy === "never") return { tone: "idle", text: "It was not started again: its restart policy is never. A new call starts another session." };
  return { tone: "idle", text: meant.aftermath };
}

const words = (state) => (state === "ready" ? "ready and works" : state.replaceAll("_", " "));

/**
 * How those fared that ran at the instant of the crash, as `{tone, text, others, fell}`; null when none is known.
 */
export function siblings(report, rows) {
  const at = instant(report.at);
  const after = (exit) => (exit ? instant(exit.at) - at : Infinity);
  const last = (one) => after(one.restart?.last_exit);
  const beside = (rows ?? []).filter(
    // One that had failed a moment before was not running beside it.
    (one) => one.id !== report.session && instant(one.accepted_at) < at && after(one.exit) > 0 && !(last(one) <= 0 && last(one) > -ENDING_WITH_IT_MS),
  );
  if (!beside.length) return null;
  const fell = beside.filter((one) => (one.exit && one.crashed && after(one.exit) < ENDING_WITH_IT_MS) || (last(one) > 0 && last(one) < ENDING_WITH_IT_MS));
  const live = beside.filter((one) => !one.exit).length;
  const text = fell.length
    ? `${plural(beside.length, "other session")} ran beside it; ${fell.length} of them failed within a second.`
    : `${plural(beside.length, "other session")} ran beside it and went on untouched${live === beside.length ? "" : `; ${live} of them still run`}.`;
  return { tone: fell.length ? "warn" : "ok", text, others: [...fell, ...beside.filter((one) => !fell.includes(one))], fell };
}
