/** One crash report: why, where, what to do about it; and everything that was known when it ended. */
import "../style/crash.css";
import { cx, html, useEffect, useRef, useState } from "../core/html.js";
import { get, seg } from "../core/api.js";
import { endpointName } from "../core/endpoints.js";
import { bytes, clock, duration, instant, plural, stamp } from "../core/format.js";
import { crashes, now, row, sessions } from "../core/live.js";
import { useResource } from "../core/resource.js";
import { url } from "../core/router.js";
import { Dot, words } from "../parts/badge.js";
import { Copy } from "../parts/copy.js";
import { Failed, Loading } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { Card, Facts, Page } from "../parts/page.js";
import { Ago } from "../parts/time.js";
import { next, siblings } from "./crash/aftermath.js";
import { Curves } from "./crash/curves.js";
import { issue } from "./crash/issue.js";
import { Frames, Source } from "./crash/source.js";
import { cureOf, isOfSession, message, replayOf, shortPlace, shortStack, used, visible } from "./crash/words.js";
import { Replay, useReplay } from "./session/replay.js";

const MESSAGES = 12;
const OTHERS = 8;

/** The page of both addresses. */
export const Crash = ({ fingerprint, id }) => (fingerprint ? html`<${CrashGroup} fingerprint=${fingerprint} />` : html`<${SessionCrash} id=${id} />`);

/** `/studio/crashes/<fingerprint>`: a kind of crash with the newest report of it. */
function CrashGroup({ fingerprint }) {
  const { data, error, reload } = useResource(({ signal }) => get(`/crashes/${seg(fingerprint)}`, { signal }), [fingerprint]);
  const known = crashes.value?.find((group) => group.fingerprint === fingerprint);
  const shown = useRef(known?.count);
  useEffect(() => {
    if (known && shown.current !== undefined && known.count !== shown.current) reload();
    shown.current = known?.count;
  }, [known?.count]);
  const back = { href: url("/crashes"), label: "Crashes" };
  if (!data) {
    return html`<${Page} title="Crash" back=${back}>
      ${error ? html`<${Failed} error=${error} retry=${reload} />` : html`<${Loading} rows=${8} label="Loading the report" />`}
    <//>`;
  }
  const group = { ...data, count: known?.count ?? data.count };
  if (!data.report) {
    return html`<${Page} title=${visible(data.sentence)} back=${back} class="crash">
      <${Cure} text=${data.cure} />
      <p class="muted">Its reports were dropped with the oldest; what is left is that it happened ${plural(group.count, "time")}, last <${Ago} at=${data.last_at} />.</p>
    <//>`;
  }
  return html`<${Report} report=${data.report} group=${group} back=${back} />`;
}

/** `/studio/sessions/<id>/crash`: the report of one session. */
function SessionCrash({ id }) {
  const { data, error, reload } = useResource(({ signal }) => get(`/workers/${seg(id)}/crash`, { signal }), [id]);
  const live = row(id);
  const attempt = `${live?.attempt} ${live?.restart?.last_exit?.at} ${live?.exit?.at}`;
  const shown = useRef(attempt);
  void sessions.value; // the row changes with it
  useEffect(() => {
    if (shown.current !== attempt) reload();
    shown.current = attempt;
  }, [attempt]);
  const back = { href: url("/sessions", id), label: "Session" };
  if (data) return html`<${Report} report=${data} back=${back} />`;
  return html`<${Page} title="Crash report" back=${back}>
    ${error ? html`<${Failed} error=${error} retry=${reload} />` : html`<${Loading} rows=${8} label="Loading the report" />`}
  <//>`;
}

function Report({ report, group, back }) {
  const { code, excerpt } = report;
  const [about, setAbout] = useState({});
  useEffect(() => {
    get("/studio/me").then(setAbout, () => {});
  }, []);
  const actions = html`
    <${Copy} label="Copy as issue" title="Copy the report as markdown" text=${() => issue(report, about)} />
    <${Download} report=${report} />
  `;
  const sentence = visible(report.sentence);
  const heading = html`<span class="crash-title" title=${sentence}>${sentence}</span>`;
  const again = useReplay(report.session);
  const isBare = !excerpt && !report.frames.length && !report.native && !report.log.length;
  return html`<${Page} title=${sentence.slice(0, 120)} heading=${heading} back=${back} actions=${actions} class="crash">
    <${Cure} text=${cureOf(report)} again=${replayOf(report)} onReplay=${again.replay ? null : again.start} />
    ${again.replay && html`<${Card} title="Replay" flush><${Replay} report=${report} isTold ...${again} /><//>`}
    <div class="crash-columns">
      <div class="crash-main">
        ${excerpt
          ? html`<${Card} title="Source" flush actions=${html`<${Copy} title="Copy the place" text=${`${excerpt.file}:${excerpt.marked}`} />`}><${Source} excerpt=${excerpt} code=${code} /><//>`
          : report.where && html`<${Card} title="Where"><code title=${report.where}>${shortPlace(report.where, code)}</code><//>`}
        ${report.frames.length > 0 && html`<${Card} title="Calls and their variables" flush><${Frames} frames=${report.frames} omitted=${report.frames_omitted} code=${code} /><//>`}
        ${report.log.length > 0 && html`<${Card} title="Last lines of its log" flush actions=${isOfSession(report) && html`<a href=${url("/sessions", report.session)}>Session</a>`}><${Log} report=${report} /><//>`}
        <${Fold} title="Traceback" text=${report.traceback} />
        <${Fold} title="Native stack" text=${report.native} shown=${shortStack(report.native, code)} open=${!excerpt && !report.frames.length} />
        ${report.tasks.length > 0 && html`<${Tasks} report=${report} />`}
        ${Object.keys(report.arguments).length > 0 && html`<${Fold} title="Arguments of the call" text=${JSON.stringify(report.arguments, null, 2)} />`}
        <${Unknown} reasons=${report.unknown} open=${isBare} />
      </div>
      <aside class="crash-aside" aria-label="About this crash">
        <${About} report=${report} group=${group} />
        ${isOfSession(report) && html`<${Aftermath} report=${report} />`}
        <${Curves} report=${report} />
        ${report.warnings.length > 0 && html`<${Card} title="Warned before"><ul class="plain-list">${report.warnings.map((text, index) => html`<li key=${index}><span class="tone-warn"><${Dot} tone="warn" /></span> ${visible(text)}</li>`)}</ul><//>`}
        ${report.process_tree.length > 0 && html`<${Card} title="Processes at the last look" flush><pre class="tree" tabindex="0">${report.process_tree.map(visible).join("\n")}</pre><//>`}
        <${Messages} title="Last messages of its room" messages=${(report.room_messages ?? []).map((one) => ({ ...one, size_bytes: one.bytes_count }))} />
        ${report.room_messages?.length ? null : html`<${Messages} title="Last messages to and from it" messages=${report.messages} />`}
        ${group && html`<${Others} group=${group} report=${report} />`}
      </aside>
    </div>
  <//>`;
}

/** What to do about it, and how to see it happen again. */
const Cure = ({ text, again, onReplay }) => html`<div class="cure">
  <p class="cure-text"><span class="cure-label">What to do</span>${text}</p>
  ${again && html`<p class="cure-again" title="Runs the call again with the code as it is now, and stops where it fails"><span class="muted">Reproduce</span> <code>${again}</code><${Copy} text=${again} title="Copy the command" />${onReplay && html`<button type="button" class="button small" onClick=${onReplay}><${Icon} name="play" size=${14} />Replay here</button>`}</p>`}
</div>`;

function Download({ report }) {
  const save = () => {
    const file = URL.createObjectURL(new Blob([`${JSON.stringify(report, null, 2)}\n`], { type: "application/json" }));
    Object.assign(document.createElement("a"), { href: file, download: `crash-${report.session}-${report.attempt}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(file), 10_000);
  };
  return html`<button type="button" class="button" onClick=${save}><${Icon} name="download" /><span>Download JSON</span></button>
    <a class="button" download href=${`/workers/${seg(report.session)}/crash/bundle`} title="The report as text and as data, with the code that ran"><${Icon} name="download" /><span>Bundle</span></a>`;
}

function About({ report, group }) {
  const { code } = report;
  const attempt = report.attempt > 1 ? ` · attempt ${report.attempt}` : "";
  const source = code.code_generation ? html`<span title=${`${code.file}\nsha256 ${code.sha256}`}>code generation ${code.code_generation} of ${code.bundle}</span>${code.modified_at ? html`<br /><span class="muted">saved ${stamp(code.modified_at)}</span>` : ""}` : null;
  return html`<${Card} title="About">
    <${Facts}
      rows=${[
        isOfSession(report) ? ["Session", html`<a class="mono" href=${url("/sessions", report.session)}>${report.session}</a>${attempt}`] : ["Container", html`<span class="mono" title=${report.session}>${report.session.slice(0, 12)}</span>`],
        [isOfSession(report) ? "Agent" : "Service", html`${report.identity} <span class="mono muted" title=${report.endpoint}>${endpointName(report.endpoint, code.bundle)}</span>`],
        ["Room", report.room ? html`<a href=${url("/rooms", report.room)}>${report.room}</a>` : null],
        ["When", html`${stamp(report.at)} · <${Ago} at=${report.at} />`],
        ["Lived", report.after_s === null ? null : duration(report.after_s)],
        ["Reason", html`${words(report.exit.reason)}${report.exit.signal ? ` · signal ${report.exit.signal}` : report.exit.code === null ? "" : ` · exit code ${report.exit.code}`}`],
        ["Process", report.pid === null ? null : html`pid <span class="mono">${report.pid}</span>`],
        ["Used", used(report) || null],
        ["Code", source],
        ["Kind", html`<a class="mono" href=${url("/crashes", report.fingerprint)} title="Crashes of one kind at one place share this">${report.fingerprint}</a>`],
        ["Seen", group ? html`${plural(group.count, "time")}, first <${Ago} at=${group.first_at} />${group.code_generation ? html`<br /><span class="muted">since generation ${group.code_generation}</span>` : ""}` : null],
      ]}
    />
  <//>`;
}

/** What happened next, to it and to those beside it. */
function Aftermath({ report }) {
  const rows = sessions.value;
  const live = row(report.session);
  const { data } = useResource(({ signal }) => get(`/workers/${seg(report.session)}`, { signal }).catch(() => null), [report.session, live?.state, live?.attempt]);
  // The table of the live connection is bounded; whoever is not in it is asked for.
  const worker = live ?? data;
  const after = next(report, worker, now.value);
  const beside = siblings(report, rows);
  if (rows === null && !data) return null;
  return html`<${Card} title="What happened next">
    <ul class="plain-list">
      <li><span class=${`tone-${after.tone}`}><${Dot} tone=${after.tone} /></span> ${after.text} ${worker && html`<a class="underlined" href=${url("/sessions", report.session)}>Look at it</a>`}</li>
      ${beside && html`<li><span class=${`tone-${beside.tone}`}><${Dot} tone=${beside.tone} /></span> ${beside.text}</li>`}
    </ul>
    ${beside &&
    html`<p class="siblings">
      ${beside.others.slice(0, OTHERS).map((one) => html`<a key=${one.id} class=${cx("sibling", beside.fell.includes(one) && "fell")} href=${url("/sessions", one.id)} title=${`${one.identity}, pid ${one.pid ?? "–"}`}>${one.identity}</a>`)}
      ${beside.others.length > OTHERS ? html`<span class="muted">and ${beside.others.length - OTHERS} more</span>` : ""}
    </p>`}
  <//>`;
}

function Log({ report }) {
  const box = useRef(null);
  useEffect(() => {
    box.current.scrollTop = box.current.scrollHeight;
  }, [report]);
  return html`<div class="crash-log-tail" ref=${box} tabindex="0" role="log" aria-label="Last lines of its log">
    ${report.log_lines_dropped > 0 && html`<p class="muted">${plural(report.log_lines_dropped, "line was", "lines were")} dropped: it wrote too fast.</p>`}
    ${report.log.map(
      (line) => html`<div key=${line.seq} class=${`crash-log-line crash-log-${["error", "critical"].includes(line.level) ? "bad" : line.level === "warning" ? "warn" : "plain"}`}>
        <time class="muted" title=${stamp(line.at)}>${clock(line.at, { millis: true })}</time><span class="crash-log-text">${visible(line.text)}</span>
      </div>`,
    )}
  </div>`;
}

const Fold = ({ title, text, shown = visible(text), open = false }) =>
  text
    ? html`<details class="card fold" open=${open}>
        <summary>${title}</summary>
        <div class="fold-body"><pre tabindex="0">${shown.trimEnd()}</pre><${Copy} text=${text} title=${`Copy: ${title}`} /></div>
      </details>`
    : null;

function Tasks({ report }) {
  const own = report.tasks.filter((task) => task.own).length;
  return html`<details class="card fold">
    <summary>${plural(report.tasks.length, "asyncio task")} <span class="muted">${own} in this program</span></summary>
    <ul class="tasks">
      ${report.tasks.map(
        (task, index) => html`<li key=${index}>
          <strong>${visible(task.name)}</strong>${task.running ? html`<span class="tone-warn-text"> is running</span>` : task.waits_for ? html`<span class="muted"> awaits a ${task.waits_for}</span>` : ""}
          ${(task.frames ?? []).map((frame, at) => html`<div key=${at} class="mono muted task-frame">${shortPlace(frame, report.code)}</div>`)}
        </li>`,
      )}
    </ul>
  </details>`;
}

function Messages({ title, messages }) {
  if (!messages.length) return null;
  const last = messages.slice(-MESSAGES);
  return html`<${Card} title=${title} flush>
    <ol class="crash-messages">
      ${last.map(
        (one, index) => html`<li key=${index}>
          <${Icon} name=${one.direction === "in" ? "in" : "out"} size=${14} label=${one.direction === "in" ? "to the session" : "from the session"} />
          <span class="crash-message-kind">${message(one)}</span>
          <span class="muted">${bytes(one.size_bytes)}</span>
          <time class="muted" title=${stamp(one.at)}>${clock(one.at, { millis: true })}</time>
        </li>`,
      )}
    </ol>
  <//>`;
}

/** The other reports of this kind. */
function Others({ group, report }) {
  const others = (group.sessions ?? []).filter((one) => one.session !== report.session || one.attempt !== report.attempt);
  if (!others.length) return null;
  const named = new Map(others.map((one) => [one.session, one]));
  const shown = [...named.values()].sort((a, b) => instant(b.at) - instant(a.at)).slice(0, OTHERS);
  return html`<${Card} title="Earlier ones of this kind">
    <ul class="plain-list">
      ${shown.map((one) => html`<li key=${one.session}><a class="mono" href=${url("/sessions", one.session, "crash")}>${one.session}</a> <span class="muted"><${Ago} at=${one.at} />${one.attempt > 1 ? ` · attempt ${one.attempt}` : ""}</span></li>`)}
    </ul>
    ${group.count > shown.length + 1 ? html`<p class="muted">${plural(group.count, "crash", "crashes")} in all.</p>` : null}
  <//>`;
}

/** Sections that are empty, and why: so that nothing is mistaken for "there was nothing". */
function Unknown({ reasons, open }) {
  const entries = Object.entries(reasons ?? {});
  if (!entries.length) return null;
  return html`<details class="card fold" open=${open}>
    <summary>What could not be known <span class="muted">${entries.length}</span></summary>
    <${Facts} rows=${entries.map(([name, why]) => [words(name), visible(why)])} />
  </details>`;
}

