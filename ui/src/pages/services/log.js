/** What a service writes in a room: followed across restarts, or of the containers before. */
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../core/html.js";
import { get } from "../../core/api.js";
import { count, plural } from "../../core/format.js";
import { ofProject } from "../../core/project.js";
import { useResource } from "../../core/resource.js";
import { styled } from "../../parts/ansi.js";
import { Copy } from "../../parts/copy.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Filter } from "../../parts/filter.js";
import { Icon } from "../../parts/icon.js";

const LOOK_S = 1.5;
const SHOWN = 1_000;

/** `rooms` are those that run it. */
export function ServiceLog({ service, rooms }) {
  const [room, setRoom] = useState(rooms[0]);
  const [previous, setPrevious] = useState(false);
  const where = rooms.includes(room) ? room : rooms[0];
  const load = async ({ signal }) => get(`${await ofProject("rooms", where, "services", service.id, "logs")}?previous=${previous}`, { signal });
  const { data, error, reload } = useResource(load, [where, previous], { every_s: previous ? 0 : LOOK_S });
  if (!where) return html`<${Empty} icon="file" title="It runs nowhere"><p>Logs are kept as long as the room is open.</p><//>`;
  return html`<div class="session-pane">
    <div class="toolbar">
      ${rooms.length > 1 && html`<select class="select" aria-label="Room" value=${where} onChange=${(event) => setRoom(event.currentTarget.value)}>${rooms.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`}
      <button type="button" class="button" aria-pressed=${String(!previous)} onClick=${() => setPrevious(false)}>Running</button>
      <button type="button" class="button" aria-pressed=${String(previous)} onClick=${() => setPrevious(true)}>Before</button>
    </div>
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${!data && !error && html`<${Loading} rows=${5} label="Loading the log" />`}
    ${data && html`<${Lines} lines=${data.lines} none=${previous ? "No container of it has ended" : "It wrote nothing"} />`}
  </div>`;
}

/** Lines of a log, the newest in sight until the reader goes up. */
export function Lines({ lines, none = "Nothing was written" }) {
  const [asked, setAsked] = useState("");
  const [follow, setFollow] = useState(true);
  const box = useRef(null);
  const top = useRef(0);
  const found = useMemo(() => (asked ? lines.filter((line) => line.toLowerCase().includes(asked.toLowerCase())) : lines), [lines, asked]);
  const shown = found.slice(-SHOWN);
  useLayoutEffect(() => {
    if (!follow || !box.current) return;
    box.current.scrollTop = box.current.scrollHeight;
    top.current = box.current.scrollTop;
  }, [shown.length, shown.at(-1), follow]);
  useEffect(() => setFollow(true), [asked]);
  const scroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const up = scrollTop < top.current - 4;
    top.current = scrollTop;
    if (scrollHeight - scrollTop - clientHeight < 24) setFollow(true);
    else if (up) setFollow(false);
  };
  if (!lines.length) return html`<${Empty} icon="file" title=${none}><p>What its containers print shows up here as they write it.</p><//>`;
  return html`<div class="toolbar">
      <${Filter} value=${asked} onInput=${setAsked} placeholder="Search the log" />
      <span class="muted">${asked ? `${count(found.length)} of ${plural(lines.length, "line")}` : plural(lines.length, "line")}</span>
      <${Copy} text=${() => found.join("\n")} title="Copy the lines" />
    </div>
    <div class="log-frame">
      <ol class="log plain-log" ref=${box} onScroll=${scroll} tabindex="0" aria-label="Log, newest last">
        ${found.length > SHOWN && html`<li class="log-gap">${count(found.length - SHOWN)} earlier lines are not shown.</li>`}
        ${shown.map((line, i) => html`<li key=${i} class=${line.startsWith("--- container ") ? "log-gap" : "log-text"}>${styled(line)}</li>`)}
      </ol>
      ${!follow && html`<button type="button" class="button log-end" onClick=${() => setFollow(true)}><${Icon} name="down" />Newest</button>`}
    </div>`;
}
