/** What stands around every page: navigation, connection, theme, keys, toasts, dialogs. */
import { cx, html, useEffect, useMemo, useRef, useState } from "./core/html.js";
import { checkAccess, denied, get, post } from "./core/api.js";
import { endpointName } from "./core/endpoints.js";
import { meaning } from "./core/ends.js";
import { plural } from "./core/format.js";
import { GO, helpOpen, layers } from "./core/keys.js";
import { connection, crashes, lastNews, nodes, now, onHappened, overview, reconnect, rooms, serverNow } from "./core/live.js";
import { Storm } from "./core/storm.js";
import { route, setScroller, url } from "./core/router.js";
import { setTheme, theme } from "./core/theme.js";
import { Copy } from "./parts/copy.js";
import { Confirmation, confirm, Dialog } from "./parts/dialog.js";
import { Dot } from "./parts/badge.js";
import { Empty, Failed } from "./parts/empty.js";
import { Icon } from "./parts/icon.js";
import { Page } from "./parts/page.js";
import { Toasts, toast, toastError } from "./parts/toast.js";
import { Component } from "preact";

const PAGES = [
  ["o", "overview", () => null],
  ["r", "rooms", () => rooms.value?.length],
  ["s", "sessions", () => overview.value?.sessions],
  ["c", "crashes", () => crashes.value?.length],
  ["v", "services", () => null],
  ["n", "nodes", () => nodes.value?.length],
  ["t", "settings", () => null],
];

/** As many crashes at once have a note each. */
const FEW = 3;

export function Shell() {
  const main = useRef(null);
  useEffect(() => setScroller(main.current), []);
  useEffect(() => onHappened(tell), []);
  const { page: Current, params, path } = route.value;
  const first = useRef(true);
  useEffect(() => {
    // A new page begins at its beginning for those who do not see it, too.
    if (!first.current && !main.current.contains(document.activeElement)) main.current.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>Skip to the page</a>
    <${Side} />
    <main id="main" class="main" ref=${main} tabindex="-1">
      ${denied.value ? html`<${Denied} />` : Current ? html`<${Guard} key=${path}><${Current} ...${params} /><//>` : html`<${Nowhere} path=${path} />`}
      <${Lost} />
    </main>
    <${Toasts} />
    <${Confirmation} />
    ${helpOpen.value && html`<${Help} />`}
  </div>`;
}

function Side() {
  const { path } = route.value;
  return html`<nav class="side" aria-label="Pages">
    <a class="brand" href=${url("/")}><img src="/studio/icon.svg" alt="" width="22" height="22" /><span>Bulkhead <em>Studio</em></span></a>
    <ul class="nav">
      ${PAGES.map(([letter, icon, counted]) => {
        if (icon === "nodes" && !nodes.value) return null; // one machine has no use for it
        const [to, name] = GO[letter];
        const here = to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`);
        return html`<li key=${to}>
          <a href=${url(to)} class=${cx("nav-item", here && "here")} aria-current=${here ? "page" : undefined} title=${`${name} (g ${letter})`}>
            <${Icon} name=${icon} size=${17} /><span class="nav-name">${name}</span><${NavCount} of=${counted} bad=${icon === "crashes"} />
          </a>
        </li>`;
      })}
    </ul>
    <div class="side-foot">
      <${Connection} />
      <div class="side-tools"><${Leave} /><${ThemeSwitch} /><button class="button icon-only quiet" title="Keys (?)" aria-label="Keys" onClick=${() => (helpOpen.value = true)}><${Icon} name="help" /></button></div>
    </div>
  </nav>`;
}

/** A number beside a page's name; a component of its own, so that it alone is drawn again. */
function NavCount({ of, bad }) {
  const value = of();
  return value ? html`<span class=${cx("nav-count", bad && "bad")}>${value > 999 ? "999+" : value}</span>` : null;
}

const STATES = { live: ["ok", "Live"], connecting: ["busy", "Connecting…"], lost: ["warn", "Reconnecting…"] };

function Connection() {
  if (denied.value) return html`<span class="connection" role="status"><${Dot} tone="idle" />Not let in</span>`;
  const [tone, text] = STATES[connection.value];
  return html`<span class=${cx("connection", `tone-${tone}`)} role="status"><${Dot} tone=${tone} />${text}</span>`;
}

function ThemeSwitch() {
  const order = ["system", "light", "dark"];
  const next = order[(order.indexOf(theme.value) + 1) % order.length];
  const icon = { system: "system", light: "sun", dark: "moon" }[theme.value];
  const say = `Theme: ${theme.value}. Change to ${next}`;
  return html`<button class="button icon-only quiet" title=${say} aria-label=${say} onClick=${() => setTheme(next)}><${Icon} name=${icon} /></button>`;
}

/** For who came in by a link: end that visit, so that this browser is let in no more. */
function Leave() {
  const [access, setAccess] = useState("");
  useEffect(() => void get("/studio/me").then((me) => setAccess(me.access), () => {}), []);
  if (access !== "cookie" || denied.value) return null;
  const leave = async () => {
    const text = "This browser is not let in any more, in any of its windows. To come back it takes a fresh link of the terminal.";
    if (!(await confirm({ title: "Leave this Studio?", text, action: "Leave" }))) return;
    await post("/studio/leave").then(() => (denied.value = true), toastError);
  };
  return html`<button class="button icon-only quiet" title="Leave" aria-label="Leave" onClick=${leave}><${Icon} name="leave" /></button>`;
}

/** The strip that says that what is shown may be old. */
function Lost() {
  if (denied.value || connection.value === "live") return null;
  if (connection.value === "connecting") return null;
  const seconds = Math.max(0, Math.round((now.value - (serverNow() - Date.now()) - lastNews.value) / 1000));
  return html`<div class="lost" role="status">
    <${Dot} tone="warn" /><span>Reconnecting… last news ${seconds} s ago. What you see may be out of date.</span>
    <button class="button small" onClick=${reconnect}>Try now</button>
  </div>`;
}

const storm = new Storm();

function tell(event) {
  const type = event.type ?? event.kind;
  // What a server that ended took with it is told by the next one, all at once: the table says it, notes would be too many.
  if (type !== "session.crashed" || meaning(event.reason).whose === "server") return;
  const { count: many, text } = storm.add(event, Date.now());
  if (many > FEW) {
    toast({ tone: "bad", key: "crash|", text, link: `${url("/sessions")}?show=crashed`, linkText: "Which" });
    return;
  }
  const where = url("/sessions", event.session, "crash");
  if (location.pathname.startsWith(url("/sessions", event.session))) return;
  const siblings = event.siblings ? ` ${plural(event.siblings, "other session")} untouched.` : "";
  toast({ tone: "bad", key: `crash|${event.identity}|${event.fingerprint}`, text: `${event.identity || endpointName(event.endpoint)} in ${event.room || "no room"}: ${event.sentence.replace(/[.;]?$/, ".")}${siblings}`, link: where, linkText: "Why" });
}

/** Keeps the error of one page from taking the shell with it. */
class Guard extends Component {
  constructor() {
    super();
    this.state = { error: null };
  }

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    console.error(error);
  }

  render({ children }, { error }) {
    if (!error) return children;
    return html`<${Page} title="Error"><${Failed} error=${{ title: "This page failed", detail: String(error?.message ?? error) }} retry=${() => this.setState({ error: null })} /><//>`;
  }
}

function Nowhere({ path }) {
  return html`<${Page} title="Not found"><${Empty} icon="search" title="Nothing is here">
    <p>Studio has no page at <code>${path}</code>.</p><p><a class="button" href=${url("/")}>Go to the overview</a></p>
  <//><//>`;
}

const COMMAND = "bulkhead studio";

function Denied() {
  const again = async () => {
    if (await checkAccess()) location.reload();
  };
  return html`<div class="page denied">
    <${Empty} icon="system" title="This server asks for a link from its terminal">
      <p>On the machine it runs on, print a fresh link and open it here:</p>
      <p class="command"><code>${COMMAND}</code><${Copy} text=${COMMAND} title="Copy the command" /></p>
      <p><button class="button" onClick=${again}>Try again</button></p>
    <//>
  </div>`;
}

function Help() {
  const close = () => (helpOpen.value = false);
  const own = useMemo(() => layers.value.flatMap((layer) => layer.help), [layers.value]);
  const all = [
    ...own,
    ["/", "Search or filter"],
    ...Object.entries(GO).map(([letter, [, name]]) => [`g ${letter}`, `Go to ${name}`]),
    ["Esc", "Close, leave a field"],
    ["?", "These keys"],
  ];
  return html`<${Dialog} title="Keys" onClose=${close}>
    <dl class="keys">${all.map(([keys, what]) => html`<div key=${keys}><dt>${keys.split(" ").map((one) => html`<kbd key=${one}>${one}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
  <//>`;
}
