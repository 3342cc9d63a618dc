/** The lines of source that a report shows, and the calls that led there. */
import { Fragment, cx, html } from "../../core/html.js";
import { coloured } from "../../parts/coloured.js";
import { shortFile, visible } from "./words.js";

/** A few lines with their numbers; the one that counts is marked. */
export function Source({ excerpt, code }) {
  return html`
    <figure class="source">
      <figcaption class="source-file" title=${excerpt.file}>${shortFile(excerpt.file, code)}<span class="muted">:${excerpt.marked}</span></figcaption>
      <div class="source-lines" role="table" aria-label=${`Source of ${excerpt.file}`} tabindex="0">
        ${excerpt.lines.map((text, index) => {
          const number = excerpt.first + index;
          const marked = number === excerpt.marked;
          return html`
            <div key=${number} role="row" class=${cx("source-line", marked && "is-marked")} aria-current=${marked ? "true" : undefined}>
              <span class="source-number" role="cell">${marked ? html`<span class="source-arrow" aria-label="It failed here">▶</span>` : null}${number}</span>
              <code role="cell">${coloured(visible(text))}</code>
            </div>
          `;
        })}
      </div>
      ${excerpt.note ? html`<p class="note">${excerpt.note}</p>` : null}
    </figure>
  `;
}

/** The stack, innermost call last; those of the agent's own code stand out. */
export function Frames({ frames, omitted, code }) {
  const half = Math.ceil(frames.length / 2);
  return html`
    <ol class="frames">
      ${frames.map((frame, index) => {
        const locals = Object.entries(frame.locals ?? {});
        const head = html`
          <span class="frame-place" title=${`${frame.file}:${frame.line}`}>${shortFile(frame.file, code)}:${frame.line}</span>
          <span class="frame-function">${frame.function}</span>
        `;
        const text = frame.source ? html`<code class="frame-source" tabindex="0">${coloured(visible(frame.source))}</code>` : null;
        return html`
          <${Fragment} key=${index}>
            ${omitted && index === half ? html`<li class="frame-gap">${omitted} more calls</li>` : null}
            <li class=${cx("frame", frame.own && "is-own")}>
              ${locals.length || frame.omitted
                ? html`<details open=${index === frames.length - 1}>
                    <summary>${head}<span class="frame-count muted">${locals.length} ${locals.length === 1 ? "variable" : "variables"}</span></summary>
                    ${text}
                    <dl class="locals">
                      ${locals.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${visible(value)}</dd></div>`)}
                      ${frame.omitted ? html`<div class="muted">and ${frame.omitted} more</div>` : null}
                    </dl>
                  </details>`
                : html`<div class="frame-head">${head}</div>${text}`}
            </li>
          <//>
        `;
      })}
    </ol>
  `;
}
