/** How a service goes in a room: state, ports, how it ended last, and what happened. */
import { html } from "../../core/html.js";
import { post } from "../../core/api.js";
import { plural, stamp } from "../../core/format.js";
import { revisionsRun } from "../../core/endpoints.js";
import { sessions } from "../../core/live.js";
import { ofProject } from "../../core/project.js";
import { url } from "../../core/router.js";
import { State } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { Card, Facts } from "../../parts/page.js";
import { Ago } from "../../parts/time.js";
import { toast, toastError } from "../../parts/toast.js";
import { inRoom } from "./fares.js";

/** Start it anew in a room, when the reader agrees. */
export async function restart(service, room) {
  const text = `Its containers in ${room} end, then it starts by its newest revision. Who talks to it there has to begin again.`;
  if (!(await confirm({ title: `Restart ${service.name} in ${room}?`, text, action: "Restart" }))) return;
  await ofProject("rooms", room, "services", service.id, "restart").then((path) => post(path)).then(() => toast({ text: `${service.name} starts anew in ${room}.`, tone: "ok" }), toastError);
}

/** Which revision runs: of a container its own, else of each session, which goes on with the one that it began with. */
function Runs({ service, room, state }) {
  const run = revisionsRun(sessions.value ?? [], service.id, room);
  const which = (number) => (number ? (number === service.revision ? String(number) : `${number} (older)`) : "not known any more");
  if (!run.length) return state.revision ? which(state.revision) : "–";
  const of = `${url("/sessions")}?q=${encodeURIComponent(`endpoint:/deployed/${service.id}/ room:${room}`)}`;
  return html`<ul class="runs">${run.map((one) => html`<li key=${one.revision}>${which(one.revision)}: <a href=${of}>${plural(one.count, "session")}</a></li>`)}</ul>`;
}

export function Going({ service, room, state }) {
  const { tone, word, sentence } = inRoom(state);
  const ports = state.status?.ports ?? [];
  const title = html`<span class="hook-title"><a href=${`${url("/rooms", room)}?tab=services`}>${room}</a> <${State} tone=${tone}>${word}<//></span>`;
  return html`<${Card} title=${title} class="going" actions=${service.image && html`<button type="button" class="button small" aria-label=${`Restart in ${room}`} onClick=${() => restart(service, room)}><${Icon} name="reload" size=${14} />Restart…</button>`}>
    ${sentence && html`<p class=${`going-said ${tone === "bad" ? "bad-text" : ""}`}>${sentence}</p>`}
    <${Facts}
      rows=${[
        ["Revision", html`<${Runs} service=${service} room=${room} state=${state} />`],
        ["Started", state.started_at ? html`<${Ago} at=${state.started_at} />` : null],
        ["Restarts", state.restart_count],
        ["Starts again", state.state === "scheduled" && state.restart_scheduled_at ? stamp(state.restart_scheduled_at) : null],
        ["Last end", state.last_exit_at ? html`with ${state.last_exit_code}, <${Ago} at=${state.last_exit_at} />` : null],
        ["Container", state.container_id ? html`<code>${state.container_id}</code>` : null],
        ...ports.map((port) => [`Port ${port.num}`, port.liveness_status === "not_configured" ? "open" : html`<${State} tone=${port.liveness_status === "ready" ? "ok" : "warn"}>${port.liveness_status === "ready" ? "answers" : "does not answer"}<//> <span class="mono muted">${port.liveness}</span>${port.last_error && html` <span class="bad-text">${port.last_error}</span>`}`]),
      ]}
    />
    ${state.events.length > 0 &&
    html`<ol class="happened" aria-label=${`Events in ${room}, newest first`}>
      ${[...state.events].reverse().map(
        (one) => html`<li key=${`${one.reason} ${one.message}`} class="happening">
          <span class="muted" title=${stamp(one.last_timestamp)}><${Ago} at=${one.last_timestamp} /></span>
          <${State} tone=${one.type === "Warning" ? "warn" : "idle"}>${one.reason}${one.count > 1 ? ` ×${one.count}` : ""}<//>
          <span class="happening-text">${one.message}</span>
        </li>`,
      )}
    </ol>`}
  <//>`;
}
