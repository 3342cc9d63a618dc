/** Where a session spends its time: looked at for ten seconds while it goes on. */
import { html, useEffect, useMemo, useState } from "../../core/html.js";
import { get, seg } from "../../core/api.js";
import { bytes, count, duration } from "../../core/format.js";
import { Empty, Failed } from "../../parts/empty.js";
import { Flame, share } from "../../parts/flame.js";
import { Icon } from "../../parts/icon.js";
import { Ago } from "../../parts/time.js";
import { shares } from "./hottest.js";

export const SECONDS = 10;
const HOTTEST = 12;
const WORDS = { running: "Running", waiting: "Waiting", allocated: "Allocated" };

/** Ask for a profile; `onChange` gets `{until}`, then `{found, at}` or `{error}`. */
export async function take(id, onChange, { memory = false } = {}) {
  onChange({ until: Date.now() + SECONDS * 1000 });
  try {
    const query = `seconds=${SECONDS}${memory ? "&by=memory" : ""}`;
    onChange({ found: await get(`/workers/${seg(id)}/profile?${query}`), at: Date.now() });
  } catch (error) {
    onChange({ error });
  }
}

export function Profile({ row, profile, onTake }) {
  const idle = !row.pid || Boolean(row.exit) || row.frozen;
  if (profile?.until) return html`<${Looking} until=${profile.until} />`;
  if (profile?.error) return html`<div class="session-pane"><${Failed} error=${profile.error} retry=${() => onTake()} /></div>`;
  if (profile?.found) return html`<${Found} profile=${profile.found} at=${profile.at} idle=${idle} onTake=${onTake} />`;
  if (row.exit) return html`<${Empty} icon="stack" title="It has no process any more"><p>Only a session that runs can be looked at.</p><//>`;
  return html`<${Empty} icon="stack" title="See where its time goes">
    <p>It is looked at a hundred times a second for ${SECONDS} seconds, and goes on meanwhile; even one that hangs can be looked at.</p>
    <p><button type="button" class="button primary" disabled=${idle} onClick=${() => onTake()}>Profile ${SECONDS} s</button> <button type="button" class="button" disabled=${idle} onClick=${() => onTake({ memory: true })}>Memory</button></p>
  <//>`;
}

function Looking({ until }) {
  const [left, setLeft] = useState(SECONDS);
  useEffect(() => {
    const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000))), 250);
    return () => clearInterval(timer);
  }, [until]);
  return html`<${Empty} icon="stack" title="Looking at it"><p role="status">${left > 0 ? `${left} s to go. The session goes on.` : "Putting it together."}</p><//>`;
}

function Found({ profile, at, idle, onTake }) {
  const kinds = Object.keys(WORDS).filter((kind) => profile.stacks.some((stack) => stack.kind === kind));
  const [chosen, setKind] = useState(kinds[0]);
  const kind = kinds.includes(chosen) ? chosen : kinds[0];
  const isMemory = profile.by === "tracemalloc";
  const amount = (weight) => (isMemory ? bytes(weight) : duration((profile.seconds * weight) / Math.max(1, profile.samples)));
  const cost = profile.cost_cpu_s ? ` It cost ${share(profile.cost_cpu_s, profile.seconds)} of a core.` : "";
  return html`<div class="session-pane">
    <div class="toolbar">
      ${kinds.map((one) => html`<button key=${one} type="button" class="button small" aria-pressed=${one === kind} onClick=${() => setKind(one)}>${WORDS[one]}</button>`)}
      <span class="muted">Taken <${Ago} at=${at} /></span><span class="spread" />
      <button type="button" class="button" onClick=${() => save(profile)}>Save as JSON</button>
      <button type="button" class="button" disabled=${idle} onClick=${() => onTake({ memory: isMemory })}><${Icon} name="reload" />Again</button>
    </div>
    <p class="muted profile-told">${isMemory ? "" : `${count(profile.samples)} looks in `}${duration(profile.seconds)}, by ${profile.by}.${cost} ${profile.note}</p>
    ${kind ? html`<${Flame} profile=${profile} kind=${kind} amount=${amount} /><${Hottest} profile=${profile} kind=${kind} amount=${amount} />` : html`<p class="muted">Nothing of the agent's was running or waiting.</p>`}
  </div>`;
}

/** The lines in which the most was found, for who reads rather than points. */
function Hottest({ profile, kind, amount }) {
  const { rows, whole } = useMemo(() => shares(profile, kind), [profile, kind]);
  return html`${profile.by !== "tracemalloc" && whole > profile.samples && html`<p class="muted profile-told">Times of tasks and threads are added up: two that are ${WORDS[kind].toLowerCase()} for all the ${duration(profile.seconds)} make ${duration(2 * profile.seconds)}.</p>`}<table class="profile-hot"><caption class="sr-only">Lines in which the most was found, with their share of all that was ${WORDS[kind].toLowerCase()}</caption><tbody>
    ${rows.slice(0, HOTTEST).map((row) => html`<tr key=${row.place}><td>${share(row.weight, whole)}</td><td>${amount(row.weight)}</td><td class="mono">${row.place}</td></tr>`)}
  </tbody></table>`;
}

function save(profile) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(profile)], { type: "application/json" }));
  link.download = `${profile.session}.profile.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
