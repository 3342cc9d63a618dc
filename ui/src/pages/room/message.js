/** One entry of a thread, with what happened in its turn folded below. */

import { Component } from "preact";
import { clock, stamp } from "../../core/format.js";
import { cx, html } from "../../core/html.js";
import { Copy } from "../../parts/copy.js";
import { Icon } from "../../parts/icon.js";
import { Markdown } from "../../parts/markdown.js";
import { Attachment } from "./attachment.js";
import { TurnFacts } from "./turn_facts.js";

/** Drawn again only when its entry or turn is another: a long thread must not be drawn with every token. */
export class MessageRow extends Component {
  shouldComponentUpdate(next) {
    return ["entry", "turn", "facts", "isRunning", "isCut", "agent", "person"].some((name) => next[name] !== this.props[name]);
  }

  render({ view, entry, turn, facts, isRunning, isCut, agent, person, onEdit }) {
    if (entry.kind !== "message") return html`<${Event} entry=${entry} />`;
    if (!entry.text && !entry.files.length) return null;
    const isAgent = entry.role === "agent" || entry.author === agent;
    const isOwn = !isAgent && entry.author === person;
    return html`<article class=${cx("chat-message", isAgent ? "from-agent" : isOwn ? "own" : "from-other")} aria-label=${`${entry.author || "somebody"} said`}>
      <header>
        <span class="author" dir="auto">${entry.author || "somebody"}</span>
        ${entry.at && html`<time class="muted" datetime=${entry.at} title=${stamp(entry.at)}>${clock(entry.at).slice(0, 5)}</time>`}
        <span class="chat-message-actions">${isOwn && entry.text && !entry.files.length && html`<button type="button" class="button icon-only quiet small" title="Change this message, in a new thread" aria-label="Change this message" onClick=${() => onEdit(entry)}><${Icon} name="edit" size=${14} /></button>`}${entry.text && html`<${Copy} text=${entry.text} title="Copy this message" />`}</span>
      </header>
      ${isAgent ? html`<${Markdown} text=${entry.text} />` : entry.text && html`<p class="said" dir="auto">${entry.text}</p>`}
      ${isRunning && isAgent && html`<span class="caret" aria-hidden="true"></span>`}
      ${entry.files.length > 0 && html`<ul class="chips">${entry.files.map((path) => html`<${Attachment} key=${path} view=${view} path=${path} />`)}</ul>`}
      ${isAgent && isCut && html`<p class="muted cut-off"><${Icon} name="stop" size=${12} />${isCut === "cancelled" ? "The answer was stopped here." : `${entry.author || "The agent"} left in the middle of this answer.`}</p>`}
      ${isAgent && (turn || facts) && !isRunning && html`<${TurnFacts} view=${view} turn=${turn} facts=${facts ?? turn.facts} />`}
    </article>`;
  }
}

/** What other agents write into threads: commands, steps, reasoning. */
function Event({ entry }) {
  const { values, kind } = entry;
  const of = (...names) => names.map((name) => values[name]).find((value) => typeof value === "string" && value) ?? "";
  const title = kind === "exec" ? of("command") : of("headline", "summary", "name", "kind") || kind;
  const body = kind === "exec" ? [of("stdout"), of("stderr"), of("result")].filter(Boolean).join("\n") : of("details", "preview", "data");
  return html`<details class="turn-facts thread-event">
    <summary><span class="muted">${kind}</span> ${title.slice(0, 300)} ${of("state", "outcome")}</summary>
    ${body ? html`<pre class="code wrap">${body.slice(0, 20_000)}</pre>` : html`<p class="muted">No more is known.</p>`}
  </details>`;
}
