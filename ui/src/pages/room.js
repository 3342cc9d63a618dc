/** A room: who is here, and what to do with them. */

import { cx, html, useEffect, useMemo, useRef, useState } from "../core/html.js";
import { plural } from "../core/format.js";
import { lazyPart } from "../core/lazy.js";
import { route, setQuery, url } from "../core/router.js";
import { Dot } from "../parts/badge.js";
import { Failed, Loading } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { Page } from "../parts/page.js";
import { Tabs } from "../parts/tabs.js";
import { findName, personName } from "../room/person.js";
import { RoomView } from "../room/room_view.js";
import { CallIn } from "./room/call_in.js";
import { ChatTab } from "./room/chat.js";
import { FilesTab } from "./room/files.js";
import { LogTab } from "./room/log.js";
import { PersonName } from "./room/name.js";
import { People } from "./room/people.js";
import { QueuesTab } from "./room/queues.js";
import { TablesTab } from "./room/tables.js";
import { TasksTab, allTasks } from "./room/tasks.js";
import { ToolsTab, allTools } from "./room/tools.js";

const ContainersTab = lazyPart(() => import("./room/containers.js").then((part) => part.ContainersTab));
const TABS = { chat: ChatTab, tasks: TasksTab, tools: ToolsTab, files: FilesTab, tables: TablesTab, queues: QueuesTab, services: ContainersTab, log: LogTab };

export function Room({ room }) {
  useEffect(() => {
    findName();
  }, []);
  if (personName.value === null) return html`<${Page} title=${room}><${Loading} /><//>`;
  return html`<${Entered} key=${personName.value} room=${room} person=${personName.value} />`;
}

function Entered({ room, person }) {
  const view = useMemo(() => new RoomView(room, person), []);
  const [calling, setCalling] = useState(false);
  const [drawer, setDrawer] = useState(false);
  const aside = useRef(null);
  useEffect(() => {
    const leave = () => view.client.close();
    addEventListener("pagehide", leave);
    const back = (event) => event.persisted && view.client.connect();
    addEventListener("pageshow", back);
    return () => {
      removeEventListener("pagehide", leave);
      removeEventListener("pageshow", back);
      view.close();
    };
  }, []);
  useEffect(() => {
    if (!drawer) return undefined;
    const was = document.activeElement;
    aside.current.focus();
    const close = (event) => event.key === "Escape" && setDrawer(false);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("keydown", close);
      was?.focus({ preventScroll: true });
    };
  }, [drawer]);

  const asked = route.value.query;
  const tab = TABS[asked.get("tab")] ? asked.get("tab") : "chat";
  const people = view.people.value;
  const tabs = [
    { id: "chat", label: "Chat" },
    { id: "tasks", label: "Tasks", count: allTasks(view).length },
    { id: "tools", label: "Tools", count: allTools(view).length },
    { id: "files", label: "Files" },
    { id: "tables", label: "Tables" },
    { id: "queues", label: "Queues" },
    { id: "services", label: "Services" },
    { id: "log", label: "Log" },
  ];
  const Body = TABS[tab];
  const pick = (name, to = "chat") => {
    setDrawer(false);
    setQuery(to === "chat" ? { to: name, tab: null, thread: null } : { tab: to, of: name }, { push: true });
  };
  const shared = { view, room, asked, onCallIn: () => setCalling(true), onPick: pick };
  return html`<${Page}
    fill
    class="room-page"
    title=${room}
    heading=${html`<span dir="auto">${room}</span>`}
    back=${{ href: url("/rooms"), label: "Rooms" }}
    meta=${html`<${RoomState} view=${view} />`}
    actions=${html`<button type="button" class="button people-toggle" aria-expanded=${drawer} aria-controls="people" onClick=${() => setDrawer(!drawer)}><${Icon} name="person" />${plural(people.length, "participant")}</button>
      <${PersonName} /><button type="button" class="button" onClick=${() => setCalling(true)}>Call in…</button>`}
  >
    ${
      view.state.value === "refused"
        ? html`<${Failed} error=${{ title: "You cannot enter this room", detail: view.reason.value }} retry=${() => view.client.connect()} />`
        : html`<div class="room">
            ${drawer && html`<div class="scrim" onClick=${() => setDrawer(false)}></div>`}
            <aside id="people" ref=${aside} tabindex="-1" class=${cx("people", drawer && "open")} aria-label="Participants"><${People} ...${shared} to=${asked.get("to")} /></aside>
            <section class="room-main" aria-label=${tab}>
              <${Tabs} tabs=${tabs} current=${tab} onChange=${(id) => setQuery({ tab: id === "chat" ? null : id, of: null, folder: null }, { push: true })} label="What to do in this room" />
              <div class="room-tab" role="tabpanel"><${Body} ...${shared} /></div>
            </section>
          </div>`
    }
    ${calling && html`<${CallIn} room=${room} onClose=${() => setCalling(false)} />`}
  <//>`;
}

/** Whether we are in the room; says why not, and offers to try now. */
function RoomState({ view }) {
  const state = view.state.value;
  if (state === "open") return html`<span class="state tone-ok" role="status"><${Dot} tone="ok" />In the room</span>`;
  if (state === "connecting" && !view.reason.value) return html`<span class="state tone-busy" role="status"><${Dot} tone="busy" />Entering…</span>`;
  if (state === "refused") return null;
  return html`<span class="state tone-warn" role="status" title=${view.reason.value}><${Dot} tone="warn" />Out of the room, coming back…</span>
    <button type="button" class="button small" onClick=${() => view.client.retry()}>Try now</button>`;
}
