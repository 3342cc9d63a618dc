/** A manifest as text: its lines numbered, what is wrong marked beside them and told below. */
import { cx, html, useLayoutEffect, useMemo, useRef } from "../../core/html.js";
import { plural } from "../../core/format.js";
import { State } from "../../parts/badge.js";
import { Icon } from "../../parts/icon.js";

const TONES = { error: "bad", warning: "warn", note: "busy" };
const MAX_LINES = 5_000;

/**
 * `check` is what `useCheck` gives.  Tab indents, as long as it was not left by Esc: then it moves on, so that
 * nobody is caught in the field.
 */
export function Editor({ text, onInput, check, label = "Manifest" }) {
  const area = useRef(null);
  const gutter = useRef(null);
  const leaves = useRef(false);
  const problems = (check.said?.problems ?? []).filter((one) => !one.path.startsWith("values."));
  const marks = useMemo(() => {
    const found = new Map();
    for (const one of [...problems].reverse()) found.set(one.line, one.severity);
    return found;
  }, [check.said]);
  const lines = Math.min(MAX_LINES, text.split("\n").length);
  const follow = () => (gutter.current.scrollTop = area.current.scrollTop);
  useLayoutEffect(follow, [lines]);
  const goTo = ({ line, column }) => {
    const before = text.split("\n").slice(0, line - 1);
    const at = before.reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
    area.current.focus();
    area.current.setSelectionRange(at, at);
    const height = parseFloat(getComputedStyle(area.current).lineHeight);
    area.current.scrollTop = Math.max(0, (line - 4) * height);
  };
  const press = (event) => {
    if (event.key === "Escape") leaves.current = true;
    else if (event.key === "Tab" && !event.shiftKey && !leaves.current && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      document.execCommand("insertText", false, "  "); // keeps the field's own undo
    } else if (event.key !== "Shift") leaves.current = false;
  };
  return html`<div class="editor">
    <div class="editor-frame">
      <div class="editor-gutter" ref=${gutter} aria-hidden="true">${Array.from({ length: lines }, (_, i) => html`<span key=${i} class=${cx(marks.has(i + 1) && `mark-${marks.get(i + 1)}`)}>${i + 1}</span>`)}</div>
      <textarea ref=${area} class="editor-text" aria-label=${label} aria-describedby="editor-said" aria-invalid=${problems.some((one) => one.severity === "error") ? "true" : undefined} spellcheck=${false} autocapitalize="off" autocomplete="off" wrap="off" value=${text} onInput=${(event) => onInput(event.currentTarget.value)} onScroll=${follow} onKeyDown=${press}></textarea>
    </div>
    <div id="editor-said" class="editor-said" role="status">
      ${said(check, problems)}
      ${check.said?.mended && html`<button type="button" class="button small" onClick=${() => onInput(check.said.mended)}><${Icon} name="check" size=${14} />Mend what is sure</button>`}
    </div>
    ${problems.length > 0 &&
    html`<ul class="problems" aria-label="What is wrong">
      ${problems.map(
        (one, i) => html`<li key=${i}><button type="button" class="problem" onClick=${() => goTo(one)}>
          <span class="problem-at mono">${one.line}:${one.column}</span><${State} tone=${TONES[one.severity]}>${one.severity}<//>
          <span class="problem-text">${one.path && html`<span class="mono">${one.path}</span>: `}${one.text}</span>
        </button></li>`,
      )}
    </ul>`}
  </div>`;
}

function said({ said: about, error, isOld }, problems) {
  if (error) return html`<${State} tone="warn">It could not be looked at: ${error.message}<//>`;
  if (!about) return html`<${State} tone="busy">Looking at it…<//>`;
  const errors = problems.filter((one) => one.severity === "error").length;
  const rest = isOld ? "…" : "";
  if (errors) return html`<${State} tone="bad">${plural(errors, "error")}${rest}<//>`;
  return html`<${State} tone="ok">${about.kind === "ServiceTemplate" ? "A template that can be used" : "A service that can be used"}${rest}<//>`;
}
