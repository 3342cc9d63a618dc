/** The lines of source that a report shows, and the calls that led there. */
import { Fragment, cx, html } from "../../core/html.js";
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
        const text = frame.source ? html`<code class="frame-source">${coloured(visible(frame.source))}</code>` : null;
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

const TOKENS =
  /(?<comment>#.*$)|(?<string>[rbfuRBFU]{0,2}(?:"""|'''|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?))|(?<keyword>\b(?:False|None|True|and|as|assert|async|await|break|case|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|match|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)|(?<number>\b\d[\d_.]*\b)|(?<decorator>^\s*@[\w.]+)/g;

/** One line of Python in colours; a line alone does not tell whether it stands within a longer text. */
function coloured(text) {
  const parts = [];
  let done = 0;
  for (const found of text.matchAll(TOKENS)) {
    const [kind] = Object.entries(found.groups).find(([, value]) => value !== undefined);
    if (found.index > done) parts.push(text.slice(done, found.index));
    parts.push(html`<span class=${`py-${kind}`}>${found[0]}</span>`);
    done = found.index + found[0].length;
  }
  if (done < text.length) parts.push(text.slice(done));
  return parts.length ? parts : " ";
}
