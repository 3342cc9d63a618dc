/** One session: how it fares, what it uses, what it wrote and said, and how to end it. */
import "../style/session.css";
import { html, useEffect, useState } from "../core/html.js";
import { get, getText, seg } from "../core/api.js";
import { endpointName, serviceOf } from "../core/endpoints.js";
import { bytes, duration, instant, ms, NONE, percent, plural } from "../core/format.js";
import { nodes, now, sessions } from "../core/live.js";
import { useKeys } from "../core/keys.js";
import { useResource } from "../core/resource.js";
import { route, setQuery, url } from "../core/router.js";
import { condition, Dot, isClean, State, words } from "../parts/badge.js";
import { Copy } from "../parts/copy.js";
import { Empty, Failed, Loading } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { Card, Facts, Page } from "../parts/page.js";
import { Tabs } from "../parts/tabs.js";
import { Ago } from "../parts/time.js";
import { Actions } from "./session/actions.js";
import { Budgets } from "./session/budgets.js";
import { Curves } from "./session/curves.js";
import { Log } from "./session/log.js";
import { Messages } from "./session/messages.js";
import { Processes } from "./session/processes.js";
import { Profile, take } from "./session/profile.js";
import { ReplayTab, useReplay } from "./session/replay.js";
import { MEMORY, SHARE, uptime } from "./session/rows.js";

const EVERY_S = 3;
const BACK = { href: url("/sessions"), label: "Sessions" };

export function Session({ id }) {
  const live = (sessions.value ?? []).find((row) => row.id === id);
  const over = Boolean(live?.exit);
  const { data, error, reload } = useResource(({ signal }) => get(`/workers/${seg(id)}`, { signal }), [id], { every_s: over ? 0 : EVERY_S });
  useEffect(() => {
    if (live) reload();
  }, [live?.state, live?.attempt, over]);
  if (error && !data && !live) {
    if (error.status !== 404) return html`<${Page} title=${id} back=${BACK}><${Failed} error=${error} retry=${reload} /><//>`;
    return html`<${Page} title=${id} back=${BACK}><${Empty} icon="sessions" title="Nobody knows this session">
      <p>There is no session <code>${id}</code>, or it ended so long ago that its record is gone.</p>
      <p><a class="button" href=${BACK.href}>All sessions</a></p>
    <//><//>`;
  }
  const row = { ...(data ?? {}), ...(live ?? {}) };
  // Asked for by name, a session's share of memory is measured; what comes by itself may not know it yet.
  if (!row.exit && !row.pss_bytes && data?.pss_bytes) row.pss_bytes = data.pss_bytes;
  if (!row.id) return html`<${Page} title=${id} back=${BACK}><${Loading} rows=${8} /><//>`;
  return html`<${Shown} row=${row} details=${data} failed=${error} />`;
}

function Shown({ row, details, failed }) {
  const { tone, word, sentence } = condition(row);
  const [stacks, setStacks] = useState(null);
  const tab = route.value.query.get("tab") ?? "log";
  const show = (next) => setQuery({ tab: next === "log" ? null : next }, { push: true });
  const takeStacks = async () => {
    show("stacks");
    setStacks({ loading: true });
    try {
      setStacks({ text: await getText(`/workers/${seg(row.id)}/stacks`), at: Date.now() });
    } catch (error) {
      setStacks({ error });
    }
  };
  const [profile, setProfile] = useState(null);
  const takeProfile = (options) => {
    show("profile");
    if (!profile?.until) take(row.id, setProfile, options);
  };
  const again = useReplay(row.id);
  const replayNow = () => {
    show("replay");
    again.start();
  };
  const hasFailed = row.crashed || Boolean(row.exit && !isClean(row.exit.reason));
  const name = row.identity || endpointName(row.endpoint, row.bundle);
  const keys = { t: takeStacks, p: () => takeProfile() };
  useKeys(row.exit ? {} : keys, row.exit ? [] : [["t", "Take its stacks"], ["p", "Profile it for 10 s"]]);
  const tabs = [
    { id: "log", label: "Log" },
    { id: "messages", label: "Messages" },
    { id: "processes", label: "Processes", count: row.exit ? 0 : details?.processes?.length },
    { id: "stacks", label: "Stacks" },
    { id: "profile", label: "Profile" },
    ...(hasFailed || tab === "replay" ? [{ id: "replay", label: "Replay" }] : []),
  ];
  return html`<${Page}
    title=${name}
    back=${BACK}
    class="session"
    meta=${html`<${State} tone=${tone}>${word}<//>${row.room && html`<span>in <a href=${url("/rooms", row.room)}>${row.room}</a></span>`}<span class="session-id"><code>${row.id}</code><${Copy} text=${row.id} title="Copy its id" /></span>`}
    actions=${html`<${Actions} row=${row} onStacks=${takeStacks} onProfile=${takeProfile} onReplay=${hasFailed ? replayNow : null} processes=${details?.processes?.length} />`}
  >
    ${failed && html`<${Failed} error=${failed} />`}
    <${Verdict} row=${row} tone=${tone} sentence=${sentence} />
    <div class="session-columns">
      <div class="session-main">
        <${Card} title="Resources" class="session-curves"><${Curves} row=${row} curve=${details?.curve} loaded=${Boolean(details)} /><//>
        <section class="card flush session-more">
          <${Tabs} tabs=${tabs} current=${tab} onChange=${show} label="What it did" />
          ${tab === "messages"
            ? html`<${Messages} id=${row.id} over=${Boolean(row.exit)} />`
            : tab === "processes"
              ? html`<${Processes} row=${row} processes=${details?.processes} />`
              : tab === "stacks"
                ? html`<${Stacks} row=${row} stacks=${stacks} onTake=${takeStacks} />`
                : tab === "profile"
                  ? html`<${Profile} row=${row} profile=${profile} onTake=${takeProfile} />`
                  : tab === "replay"
                  ? html`<${ReplayTab} ...${again} id=${row.id} />`
                  : html`<${Log} key=${row.id} id=${row.id} over=${Boolean(row.exit)} />`}
        </section>
      </div>
      <div class="session-side">
        <${Card} title="Session"><${About} row=${row} /><//>
        <${Card} title="Budgets"><${Budgets} row=${row} /><//>
      </div>
    </div>
  <//>`;
}

/** What went wrong, in its own words, and where to read more. */
function Verdict({ row, tone, sentence }) {
  if (row.exit && !isClean(row.exit.reason))
    return html`<div class="notice tone-bad" role="alert"><${Dot} tone="bad" /><p><strong>Ended <${Ago} at=${row.exit.at} />: ${words(row.exit.reason)}.</strong> ${sentence}</p></div>`;
  if (row.exit) return html`<div class="notice tone-idle"><${Dot} tone="idle" /><p><strong>Ended <${Ago} at=${row.exit.at} />.</strong> ${sentence}</p></div>`;
  if (row.restart?.at) {
    const wait_s = Math.max(0, (instant(row.restart.at) - now.value) / 1000);
    return html`<div class="notice tone-bad" role="status"><${Dot} tone="bad" /><p><strong>${wait_s >= 1 ? `Starts again in ${Math.ceil(wait_s)} s.` : "Starts again now."}</strong> ${sentence}</p><a href=${url("/sessions", row.id, "crash")}>Read the report</a></div>`;
  }
  if (sentence) return html`<div class=${`notice tone-${tone === "ok" ? "warn" : tone}`}><${Dot} tone=${tone === "ok" ? "warn" : tone} /><p>${sentence}</p>${row.crashed && html`<a href=${url("/sessions", row.id, "crash")}>Read the report</a>`}</div>`;
  return null;
}

function About({ row }) {
  const last = row.restart?.last_exit;
  return html`<${Facts}
    rows=${[
      ["Endpoint", html`<code title=${row.endpoint}>${endpointName(row.endpoint, row.bundle)}</code>`],
      ["Bundle", row.bundle ? html`<a href=${url("/services")}>${row.bundle}</a>` : NONE],
      ["Node", nodes.value && row.node ? html`<a class="plain" href=${`${url("/nodes")}?q=${encodeURIComponent(row.node)}`}>${row.node}</a>` : null],
      ["Process", row.exit ? null : row.pid ?? NONE],
      [row.exit ? "Ran for" : "Up", duration(uptime(row))],
      ["Called", html`<${Ago} at=${row.accepted_at} />`],
      ["Revision", row.revision ? html`${row.revision} of <a href=${url("/services", serviceOf(row.endpoint))}>${row.bundle.split("@")[0]}</a>` : null],
      ["Code", serviceOf(row.endpoint) ? null : row.code_generation ? `generation ${row.code_generation}` : NONE],
      ["Attempt", `${row.attempt || 0}${row.restarts ? `, ${plural(row.restarts, "restart")}` : ""}`],
      ["Restart", { never: "never", on_failure: "when it fails", always: "always" }[row.restart?.policy] ?? NONE],
      ["Last attempt", last ? html`<span class=${isClean(last.reason) ? "" : "bad-text"}>${last.message}</span>` : null],
      ["Processor", `${row.exit ? "" : `${percent(row.cpu_share)}, `}${duration(row.cpu_s)} in all`],
      ["Memory", html`<span title=${MEMORY}>${bytes(row.rss_bytes)}${row.exit && " at most"}</span>${!row.exit && row.pss_bytes > 0 && html`, <span class="muted" title=${SHARE}>share ${bytes(row.pss_bytes)}</span>`}`],
      ["Confinement", row.confinement ? html`<${Held} held=${row.confinement} />` : "off"],
      ["Loop lag", row.exit ? null : ms(row.lag_ms)],
    ]}
  />`;
}

/** How tightly it is held, and what that refused it. */
function Held({ held }) {
  const refused = Object.entries(held.refused ?? {});
  if (!refused.length) return held.level;
  return html`${held.level} <span class="muted" title="What would allow it stands in the log">refused ${refused.map(([rule, times]) => `${rule} ${times}×`).join(", ")}</span>`;
}

function Stacks({ row, stacks, onTake }) {
  if (stacks?.text)
    return html`<div class="session-pane">
      <div class="toolbar"><span class="muted">Taken <${Ago} at=${stacks.at} /></span><span class="spread" /><${Copy} text=${stacks.text} label="Copy" /><button class="button" disabled=${!row.pid || Boolean(row.exit)} onClick=${onTake}><${Icon} name="reload" />Take again</button></div>
      <pre class="code" tabindex="0">${stacks.text}</pre>
    </div>`;
  if (stacks?.loading) return html`<div class="session-pane"><${Loading} rows=${6} label="Taking stacks" /></div>`;
  if (stacks?.error) return html`<div class="session-pane"><${Failed} error=${stacks.error} retry=${onTake} /></div>`;
  if (row.exit)
    return html`<${Empty} icon="stack" title="It has no process any more"><p>${isClean(row.exit.reason) ? "It ended well; there is nothing to look for." : html`Where it was when it ended is in its <a href=${url("/sessions", row.id, "crash")}>crash report</a>.`}</p><//>`;
  return html`<${Empty} icon="stack" title="See where it is">
    <p>The stack of every thread and what each task waits for. The session goes on; even one that hangs can be looked at.</p>
    <p><button class="button primary" disabled=${!row.pid} onClick=${onTake}>Take stacks</button></p>
  <//>`;
}
