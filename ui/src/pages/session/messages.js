/** What went over a session's pipe, oldest first: to it, and from it. */
import { html, useMemo, useState } from "../../core/html.js";
import { get, seg } from "../../core/api.js";
import { bytes, clock, count } from "../../core/format.js";
import { useResource } from "../../core/resource.js";
import { words } from "../../parts/badge.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Filter, matches } from "../../parts/filter.js";
import { Icon } from "../../parts/icon.js";

const EVERY_S = 2;

export function Messages({ id, over }) {
  const [asked, setAsked] = useState("");
  const { data, error, reload } = useResource(({ signal }) => get(`/workers/${seg(id)}/messages`, { signal }), [id], { every_s: over ? 0 : EVERY_S });
  const rows = useMemo(() => {
    const all = data?.messages ?? [];
    return (asked ? all.filter((one) => matches(asked, [one.kind, one.summary ?? "", one.direction])) : all).slice().reverse();
  }, [data, asked]);
  if (error && !data) return html`<div class="session-pane"><${Failed} error=${error} retry=${reload} /></div>`;
  if (!data) return html`<div class="session-pane"><${Loading} rows=${6} /></div>`;
  if (!data.messages.length) return html`<${Empty} icon="rooms" title="No message yet"><p>What comes from its room, and what it says there, is listed here as it happens.</p><//>`;
  return html`<div class="session-pane">
    <div class="toolbar"><${Filter} value=${asked} onInput=${setAsked} placeholder="Filter messages" />${data.dropped > 0 && html`<span class="muted">${count(data.dropped)} earlier ones were let go</span>`}</div>
    <ol class="messages" tabindex="0" aria-label="Messages, newest first">
      ${rows.map(
        (one, i) => html`<li key=${`${one.at} ${rows.length - i}`} class="message">
          <time class="muted">${clock(one.at, { millis: true })}</time>
          <span class=${`way way-${one.direction}`} title=${one.direction === "in" ? "to the session" : "from the session"}><${Icon} name=${one.direction === "in" ? "in" : "out"} size=${14} />${one.direction}</span>
          <span class="message-kind">${words(one.kind)}${one.count > 1 && html` <span class="muted">× ${count(one.count)}</span>`}</span>
          <span class="message-text cut" title=${one.summary}>${one.summary}</span>
          <span class="message-size muted">${bytes(one.bytes ?? one.size_bytes)}</span>
        </li>`,
      )}
    </ol>
    ${!rows.length && html`<p class="muted">None fits.</p>`}
  </div>`;
}
