/** One entry of a thread, with what happened in its turn folded below. */

import { Component } from "preact";
import { clock, duration, stamp } from "../../core/format.js";
import { cx, html } from "../../core/html.js";
import { Copy } from "../../parts/copy.js";
import { Icon } from "../../parts/icon.js";
import { Markdown } from "../../parts/markdown.js";
import { toastError } from "../../parts/toast.js";
import { download } from "../../room/storage.js";
import { Json } from "./result.js";

/** Drawn again only when its entry or turn is another: a long thread must not be drawn with every token. */
export class MessageRow extends Component {
  shouldComponentUpdate(next) {
    return ["entry", "turn", "isRunning", "isCut", "agent", "person"].some((name) => next[name] !== this.props[name]);
  }

  render({ view, entry, turn, isRunning, isCut, agent, person }) {
    if (entry.kind !== "message") return html`<${Event} entry=${entry} />`;
    if (!entry.text && !entry.files.length) return null;
    const isAgent = entry.role === "agent" || entry.author === agent;
    const isOwn = !isAgent && entry.author === person;
    return html`<article class=${cx("chat-message", isAgent ? "from-agent" : isOwn ? "own" : "from-other")} aria-label=${`${entry.author || "somebody"} said`}>
      <header>
        <span class="author" dir="auto">${entry.author || "somebody"}</span>
        ${entry.at && html`<time class="muted" datetime=${entry.at} title=${stamp(entry.at)}>${clock(entry.at).slice(0, 5)}</time>`}
        <span class="chat-message-actions">${entry.text && html`<${Copy} text=${entry.text} title="Copy this message" />`}</span>
      </header>
      ${isAgent ? html`<${Markdown} text=${entry.text} />` : entry.text && html`<p class="said" dir="auto">${entry.text}</p>`}
      ${isRunning && isAgent && html`<span class="caret" aria-hidden="true"></span>`}
      ${entry.files.length > 0 && html`<ul class="chips">${entry.files.map((path) => html`<${FileChip} key=${path} view=${view} path=${path} />`)}</ul>`}
      ${isAgent && isCut && html`<p class="muted cut-off"><${Icon} name="stop" size=${12} />${isCut === "cancelled" ? "The answer was stopped here." : `${entry.author || "The agent"} left in the middle of this answer.`}</p>`}
      ${isAgent && turn && !isRunning && html`<${TurnFacts} turn=${turn} />`}
    </article>`;
  }
}

function FileChip({ view, path }) {
  return html`<li><button type="button" class="chip" title=${`Download ${path}`} onClick=${() => download(view.client, path).catch(toastError)}><${Icon} name="file" size=${14} /><span class="cut" dir="auto">${path.split("/").at(-1)}</span></button></li>`;
}

/** What the agent's log said about a turn: the request, the tools, the tokens, how long it took. */
function TurnFacts({ turn }) {
  const of = (type) => turn.facts.filter((fact) => fact.type === type).map((fact) => fact.data);
  const [request] = of("llm.request").slice(-1);
  const results = of("llm.tool_result");
  const calls = of("llm.tool_call").map((call, index) => ({ ...call, result: results.find((one) => one.call_id && one.call_id === call.call_id) ?? results[index] }));
  const usage = of("llm.usage");
  const tokens = usage.reduce((sum, one) => sum + (Number(one.total_tokens) || (Number(one.input_tokens) || 0) + (Number(one.output_tokens) || 0)), 0);
  const model = usage.at(-1)?.model ?? request?.model;
  const parts = [
    turn.tookMs !== null && duration(turn.tookMs / 1000),
    calls.length > 0 && `${calls.length} tool ${calls.length === 1 ? "call" : "calls"}`,
    tokens > 0 && `${tokens.toLocaleString("en-US")} tokens`,
  ].filter(Boolean);
  if (!parts.length && !request) return null;
  return html`<details class="turn-facts">
    <summary>${parts.join(" · ") || "How it was answered"}</summary>
    <dl class="facts">
      ${turn.firstMs !== null && html`<div><dt>First words</dt><dd>after ${duration(turn.firstMs / 1000)}</dd></div>`}
      ${model && html`<div><dt>Model</dt><dd>${String(model)}</dd></div>`}
      ${Array.isArray(request?.rules) && request.rules.length > 0 && html`<div><dt>Rules</dt><dd><ul class="rules">${request.rules.map((rule, index) => html`<li key=${index}>${String(rule)}</li>`)}</ul></dd></div>`}
      ${Array.isArray(request?.tools) && html`<div><dt>Tools it had</dt><dd>${request.tools.length ? request.tools.join(", ") : "none"}</dd></div>`}
      ${calls.map(
        (call, index) => html`<div key=${index}><dt>Called</dt><dd>
          <code>${String(call.name)}</code>
          ${call.arguments !== undefined && html`<${Json} value=${call.arguments} label="Arguments" />`}
          ${call.result && html`<${Json} value=${call.result.output} label="Result" />`}
        </dd></div>`,
      )}
    </dl>
  </details>`;
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
