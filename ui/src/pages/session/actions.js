/** Ending sessions, and starting them again: asked once, said what became of it. */

import { del, post, seg } from "../../core/api.js";
import { endpointName } from "../../core/endpoints.js";
import { plural } from "../../core/format.js";
import { html, useState } from "../../core/html.js";
import { url } from "../../core/router.js";
import { isClean } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { toast, toastError } from "../../parts/toast.js";
import { CrashIt } from "./crash_it.js";

/** So many are ended at the same time. */
const AT_ONCE = 6;
const NAMED = 3;

const nameOf = (row) => row.identity || endpointName(row.endpoint, row.bundle);

/** Ask a session to finish and leave. */
export async function stop(row, processes = 1) {
  const name = nameOf(row);
  const yes = await confirm({
    title: `Stop ${name}?`,
    text: `${name}${whereOf(row)} is asked to finish what it does and to leave. If it does not within its grace period, its ${processes > 1 ? plural(processes, "process", "processes") : "process"} will be killed. It is not started again. Other sessions are not touched.`,
    action: "Stop",
  });
  if (yes) await end(row, "", `${name} was stopped.`);
}

/** End a session at once. */
export async function kill(row, processes = 1) {
  const name = nameOf(row);
  const yes = await confirm({
    title: `Kill ${name}?`,
    text: `${processes > 1 ? `All ${plural(processes, "process", "processes")}` : "The process"} of ${name}${whereOf(row)} end${processes > 1 ? "" : "s"} at once. What it is doing is lost, and an answer it is giving breaks off. It is not started again. Other sessions are not touched.`,
    action: "Kill",
    tone: "bad",
  });
  if (yes) await end(row, "?grace_s=0", `${name} was killed.`);
}

/** Hold a session still, or let it go on. */
export async function hold(row) {
  const name = nameOf(row);
  if (!row.frozen) {
    const yes = await confirm({
      title: `Freeze ${name}?`,
      text: `All processes of ${name}${whereOf(row)} stop where they are and keep their memory. It answers nobody until you thaw it; what is said to it waits. It is not taken for one that hangs.`,
      action: "Freeze",
    });
    if (!yes) return;
  }
  try {
    await post(`/workers/${seg(row.id)}/${row.frozen ? "thaw" : "freeze"}`);
    toast({ text: row.frozen ? `${name} goes on.` : `${name} is frozen.`, tone: "ok" });
  } catch (error) {
    toastError(error);
  }
}

/** Call the endpoint of a session that ended into its room once more. */
export async function startAgain(row) {
  const yes = await confirm({
    title: `Start ${nameOf(row)} again?`,
    text: `${endpointName(row.endpoint, row.bundle)} is called into ${row.room} again, with the arguments of then: a new session, in a process of its own.`,
    action: "Start again",
  });
  if (!yes) return;
  try {
    const answer = await post(`/workers/${seg(row.id)}/again`);
    const id = answer?.session;
    toast({ text: `${nameOf(row)} is on its way into ${row.room}.`, tone: "ok", ...(id && { link: url("/sessions", id), linkText: "Session" }) });
  } catch (error) {
    toastError(error);
  }
}

/** End many sessions, a few at a time; those that could not be ended are counted, with the first reason. */
export async function endMany(rows, { isKill = false } = {}) {
  const what = plural(rows.length, "session");
  const names = rows.slice(0, NAMED).map((row) => `${nameOf(row)}${whereOf(row)}`);
  const yes = await confirm({
    title: `${isKill ? "Kill" : "Stop"} ${what}?`,
    text: `${names.join(", ")}${rows.length > NAMED ? ` and ${rows.length - NAMED} more` : ""} ${isKill ? "end at once; what they are doing is lost" : "are asked to finish what they do and to leave, and killed after their grace period"}. They are not started again. Other sessions are not touched.`,
    action: isKill ? `Kill ${what}` : `Stop ${what}`,
    tone: isKill ? "bad" : "",
  });
  if (!yes) return false;
  const waiting = [...rows];
  const failures = [];
  const work = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      await del(`/workers/${seg(row.id)}${isKill ? "?grace_s=0" : ""}`).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const done = rows.length - failures.length;
  if (done) toast({ text: `${plural(done, "session")} ${done === 1 ? "was" : "were"} ${isKill ? "killed" : "stopped"}.`, tone: "ok" });
  if (failures.length) toast({ text: `${plural(failures.length, "session")} could not be ended: ${failures[0].message}`, tone: "bad" });
  return true;
}

/** The buttons of a session's page. */
export function Actions({ row, onStacks, onProfile, onReplay, processes }) {
  const [busy, setBusy] = useState(false);
  const during = (work) => async () => {
    setBusy(true);
    await work();
    setBusy(false);
  };
  if (row.exit) {
    return html`${row.room && html`<button type="button" class="button" disabled=${busy} onClick=${during(() => startAgain(row))}><${Icon} name="reload" />Start again</button>`}
      ${onReplay && html`<button type="button" class="button" title="Its call again, apart from all others, with what it says" onClick=${onReplay}><${Icon} name="play" />Replay</button>`}
      ${!isClean(row.exit.reason) && html`<a class="button primary" href=${url("/sessions", row.id, "crash")}><${Icon} name="crashes" />Crash report</a>`}`;
  }
  const idle = !row.pid || busy;
  return html`<${CrashIt} row=${row} />
    <button class="button" disabled=${!row.pid} title="Where its threads and tasks are now (t)" onClick=${onStacks}><${Icon} name="stack" />Stacks</button>
    <button class="button" disabled=${!row.pid || row.frozen} title="Where its time goes; it goes on meanwhile (p)" onClick=${() => onProfile()}><${Icon} name="flame" />Profile 10 s</button>
    ${row.state === "ready" && html`<button class="button" disabled=${busy} onClick=${during(() => hold(row))}><${Icon} name=${row.frozen ? "play" : "pause"} />${row.frozen ? "Thaw" : "Freeze"}</button>`}
    <button class="button" disabled=${busy || row.state === "stopping"} onClick=${during(() => stop(row, processes))}><${Icon} name="stop" />Stop</button>
    <button class="button danger" disabled=${busy || (idle && row.state !== "stopping")} onClick=${during(() => kill(row, processes))}><${Icon} name="kill" />Kill</button>`;
}

function whereOf(row) {
  return row.room ? ` in ${row.room}` : "";
}

async function end(row, query, said) {
  try {
    await del(`/workers/${seg(row.id)}${query}`);
    toast({ text: said, tone: "ok" });
  } catch (error) {
    toastError(error);
  }
}
