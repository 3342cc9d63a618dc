/** The call of a crashed session again, apart from all others, with what it says while it runs. */
import { html, useEffect, useRef, useState } from "../../core/html.js";
import { get, postLines, seg } from "../../core/api.js";
import { useResource } from "../../core/resource.js";
import { Dot } from "../../parts/badge.js";
import { Copy } from "../../parts/copy.js";
import { Empty, Failed } from "../../parts/empty.js";
import { Icon } from "../../parts/icon.js";
import { visible } from "../crash/words.js";

/** One that does not fail is stopped after so long. */
const FOR_S = 20;
const LEFT = "The connection ended before it did.";

/** `{replay, start, stop}` of a session: `replay` is null, or `{lines, isOver, status, error}`. */
export function useReplay(id) {
  const [replay, setReplay] = useState(null);
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), [id]);
  const stop = () => running.current?.abort();
  const start = async () => {
    stop();
    const abort = (running.current = new AbortController());
    const lines = [];
    let status;
    const show = (more) => running.current === abort && setReplay({ lines: [...lines], isOver: false, ...more });
    show();
    try {
      await postLines(`/workers/${seg(id)}/replay`, { for_s: FOR_S }, (one) => {
        if ("status" in one) ({ status } = one);
        else lines.push(one.text);
        show();
      }, { signal: abort.signal });
      if (status === undefined) lines.push(LEFT);
      show({ isOver: true, status });
    } catch (error) {
      if (error.name === "AbortError") show({ isOver: true, isStopped: true });
      else show({ isOver: true, error: error.status === undefined ? { title: LEFT } : error });
    }
  };
  return { replay, start, stop };
}

/** Whether a crash is one that its call alone does not bring about: a signal that somebody sent.  Pure. */
export const cameFromOutside = (report) => report?.exit?.reason === "signal" && /from outside/.test(report.sentence ?? "");

/** What is to be seen again, unless it stands on the page, and whether it can be. */
function Then({ report, isTold }) {
  const outside = cameFromOutside(report) && " Its call is made again, not the signal: it will go on until it is stopped.";
  if (!report || (isTold && !outside)) return null;
  return html`<p class="muted">${!isTold && html`Then: ${visible(report.sentence)} <span class="mono">${visible(report.where)}</span>`}${outside}</p>`;
}

/** For a page that has no report of the session. */
export function ReplayTab({ id, ...again }) {
  const { data: report } = useResource(({ signal }) => get(`/workers/${seg(id)}/crash`, { signal }), [id]);
  return html`<${Replay} ...${again} report=${report} />`;
}

export function Replay({ report, isTold = false, replay, start, stop }) {
  const end = useRef(null);
  const count = replay?.lines.length;
  useEffect(() => {
    if (end.current) end.current.scrollTop = end.current.scrollHeight;
  }, [count]);
  if (!replay)
    return html`<${Empty} icon="reload" title="See it happen again">
      <p>Its call is made again by <code>bulkhead replay</code> on the server, with the code as it is now, in a room of its own; nobody else notices. Models and tools are asked anew. One that does not fail is stopped after ${FOR_S} s.</p>
      <${Then} report=${report} isTold=${isTold} />
      <p><button type="button" class="button primary" onClick=${start}>Replay</button></p>
    <//>`;
  const [tone, word] = replay.isStopped ? ["idle", "Stopped"] : !replay.isOver ? ["busy", `Running, for ${FOR_S} s at most`] : replay.status === 0 ? ["ok", "It did not fail this time"] : ["bad", "It failed again"];
  return html`<div class="session-pane">
    <div class="toolbar">
      ${!replay.error && html`<span class=${`state tone-${tone}`} role="status"><${Dot} tone=${tone} />${word}</span>`}<span class="spread" />
      ${count > 0 && html`<${Copy} text=${replay.lines.join("\n")} label="Copy" />`}
      ${replay.isOver ? html`<button type="button" class="button" onClick=${start}><${Icon} name="reload" />Again</button>` : html`<button type="button" class="button" onClick=${stop}><${Icon} name="stop" />Stop</button>`}
    </div>
    <${Then} report=${report} isTold=${isTold} />
    ${replay.error && html`<${Failed} error=${replay.error} />`}
    ${count > 0 && html`<pre class="code replay" tabindex="0" ref=${end} aria-label="What it says">${replay.lines.join("\n")}</pre>`}
  </div>`;
}
