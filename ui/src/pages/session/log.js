/** What a session writes, as it writes it: searched, followed, held still. */
import { cx, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../core/html.js";
import { seg } from "../../core/api.js";
import { clock, count, plural } from "../../core/format.js";
import { styled, unstyled } from "../../parts/ansi.js";
import { Copy } from "../../parts/copy.js";
import { Empty, Loading } from "../../parts/empty.js";
import { Filter } from "../../parts/filter.js";
import { Icon } from "../../parts/icon.js";

const KEPT = 5000;
const SHOWN = 600;
const FLUSH_MS = 250;

export function Log({ id, over }) {
  const { lines, dropped, state } = useTail(id, over);
  const [asked, setAsked] = useState("");
  const [held, setHeld] = useState(null);
  const [follow, setFollow] = useState(true);
  const box = useRef(null);
  const from = held ?? lines;
  const found = useMemo(() => {
    if (!asked) return from;
    const word = asked.toLowerCase();
    return from.filter((line) => line.text.toLowerCase().includes(word) || line.level === word);
  }, [from, asked]);
  const shown = found.slice(-SHOWN);

  const top = useRef(0);
  const toEnd = () => {
    if (!follow || !box.current) return;
    box.current.scrollTop = box.current.scrollHeight;
    top.current = box.current.scrollTop;
  };
  useLayoutEffect(toEnd, [shown.length, shown.at(-1)?.seq, follow]);
  useEffect(() => {
    if (!box.current) return undefined;
    const watch = new ResizeObserver(toEnd);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, [lines.length > 0, follow]);
  const scroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const up = scrollTop < top.current - 4;
    top.current = scrollTop;
    if (scrollHeight - scrollTop - clientHeight < 24) setFollow(true);
    else if (up) setFollow(false);
  };
  const end = () => {
    setHeld(null);
    setFollow(true);
  };
  const text = () => found.map((line) => `${line.at} ${line.level ? `${line.level} ` : ""}${line.text}`).join("\n");
  if (!lines.length)
    return state === "loading"
      ? html`<div class="session-pane"><${Loading} rows=${6} /></div>`
      : html`<${Empty} icon="file" title="It wrote nothing"><p>${over ? "Neither its log nor its output has a line." : "Its log, and what it prints, show up here as they are written."}</p><//>`;
  return html`<div class="session-pane">
    <div class="toolbar">
      <${Filter} value=${asked} onInput=${setAsked} placeholder="Search the log" />
      <span class="muted">${asked ? `${count(found.length)} of ${plural(from.length, "line")}` : plural(from.length, "line")}${dropped > 0 ? `, ${count(dropped)} dropped` : ""}</span>
      <span class="spread" />
      ${state === "lost" && html`<span class="muted">Reconnecting…</span>`}
      ${!over && html`<button class="button" aria-pressed=${String(Boolean(held))} onClick=${() => setHeld(held ? null : lines)}><${Icon} name=${held ? "play" : "pause"} />${held ? `Go on${lines.length > held.length ? ` (${count(lines.length - held.length)} new)` : ""}` : "Hold"}</button>`}
      <${Copy} text=${text} title=${asked ? "Copy the lines found" : "Copy all lines"} />
      <a class="button icon-only quiet" title="Download the log" href=${`/workers/${seg(id)}/logs`} download=${`${id}.log.json`}><${Icon} name="download" label="Download the log" /></a>
    </div>
    <div class="log-frame">
      <ol class="log" ref=${box} onScroll=${scroll} tabindex="0" aria-label="Log, newest last">
        ${found.length > SHOWN && html`<li class="log-gap">${count(found.length - SHOWN)} earlier lines are not shown; search for them, or download all.</li>`}
        ${shown.map((line) => drawn(line, asked))}
        ${asked && !shown.length && html`<li class="log-gap">No line has <code>${asked}</code> in it.</li>`}
      </ol>
      ${!follow && html`<button class="button log-end" onClick=${end}><${Icon} name="down" />Newest</button>`}
    </div>
  </div>`;
}

/** A line; drawn once for each search, however often the rest changes. */
function drawn(line, asked) {
  if (line.drawn?.asked === asked) return line.drawn.node;
  const node = html`<li key=${line.seq} class=${cx("log-line", line.level && `level-${line.level}`)}>
    <time>${clock(line.at)}</time><span class="log-level">${line.level || (line.stream === "output" ? "out" : "")}</span><span class="log-text">${marked(line.text, asked)}</span>
  </li>`;
  line.drawn = { asked, node };
  return node;
}

function marked(raw, asked) {
  if (!asked) return styled(raw);
  const text = unstyled(raw);
  const [all, word] = [text.toLowerCase(), asked.toLowerCase()];
  const parts = [];
  let at = 0;
  for (let next = all.indexOf(word); next >= 0 && parts.length < 100; next = all.indexOf(word, at)) {
    parts.push(text.slice(at, next), html`<mark>${text.slice(next, next + word.length)}</mark>`);
    at = next + word.length;
  }
  return [...parts, text.slice(at)];
}

/** The log from its beginning, then as it goes on: `{lines, dropped, state}`; at most `KEPT` lines. */
function useTail(id, over) {
  const [shown, setShown] = useState({ lines: [], dropped: 0, state: "loading" });
  const ended = useRef(over);
  ended.current = over;
  useEffect(() => {
    const all = { lines: [], dropped: 0, last: 0 };
    let source = null;
    let flushing = 0;
    let timer = 0;
    let closed = false;
    const flush = (state) => {
      clearTimeout(flushing);
      flushing = 0;
      if (!closed) setShown({ lines: [...all.lines], dropped: all.dropped, state });
    };
    const later = () => {
      flushing ||= setTimeout(() => (document.hidden ? ((flushing = 0), later()) : flush("live")), FLUSH_MS);
    };
    const open = () => {
      source = new EventSource(`/workers/${seg(id)}/logs?follow=1&after=${all.last}`);
      source.onopen = later;
      source.addEventListener("line", (event) => {
        const line = JSON.parse(event.data);
        if (line.seq <= all.last) return;
        if (all.last && line.seq > all.last + 1) all.dropped += line.seq - all.last - 1;
        all.last = line.seq;
        all.lines.push(line);
        if (all.lines.length > KEPT) all.lines.splice(0, all.lines.length - KEPT);
        later();
      });
      source.onerror = () => {
        source.close();
        if (closed) return;
        // The server ends the stream when the session has ended and all was sent.
        flush(ended.current ? "over" : "lost");
        if (!ended.current) timer = setTimeout(open, 1500);
      };
    };
    open();
    return () => {
      closed = true;
      source?.close();
      clearTimeout(timer);
      clearTimeout(flushing);
    };
  }, [id]);
  return shown;
}
