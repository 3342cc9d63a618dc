/** A terminal in a container; with xterm.js, which is fetched when the first one is opened. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Screen } from "@xterm/xterm";
import sheetText from "@xterm/xterm/css/xterm.css?text";
import { html, useEffect, useRef, useState } from "../../core/html.js";
import { Dot } from "../../parts/badge.js";
import { shell } from "../../room/containers.js";

adopt().replaceSync(sheetText);

export function Terminal({ view, box }) {
  const place = useRef(null);
  const [state, setState] = useState({ tone: "busy", text: "Starting a shell…" });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const style = getComputedStyle(place.current);
    const colour = (name) => style.getPropertyValue(name) || undefined;
    const screen = new Screen({
      fontFamily: style.fontFamily,
      fontSize: 13,
      scrollback: 5_000,
      screenReaderMode: true,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      theme: { background: style.backgroundColor, foreground: style.color, cursor: style.color, selectionBackground: colour("--selection") },
    });
    const fit = new FitAddon();
    screen.loadAddon(fit);
    // Not all of it heeds `documentOverride`; whatever else is made meanwhile is none the worse for it.
    document.createElement = create;
    screen.open(place.current);
    fit.fit();
    // Tab and Esc belong to the shell, so there is another way out.
    screen.attachCustomKeyEventHandler((event) => {
      if (!(event.key === "Escape" && event.shiftKey)) return true;
      document.querySelector(".terminal-close")?.focus();
      return false;
    });
    const running = shell(view.client, box.id, { columns: screen.cols, rows: screen.rows, onOutput: (bytes) => (setState({ tone: "ok", text: "Connected" }), screen.write(bytes)) });
    running.ended.then(
      (status) => setState({ tone: status ? "warn" : "idle", text: `The shell ended${status ? ` with ${status}` : ""}`, over: true }),
      (error) => setState({ tone: "bad", text: error.message, over: true }),
    );
    const typing = screen.onData((text) => running.write(text));
    const sizing = screen.onResize(({ cols, rows }) => running.resize(cols, rows));
    const watch = new ResizeObserver(() => fit.fit());
    watch.observe(place.current);
    screen.focus();
    return () => {
      watch.disconnect();
      typing.dispose();
      sizing.dispose();
      running.stop();
      screen.dispose();
      delete document.createElement;
    };
  }, [turn]);
  return html`<p class="terminal-said" role="status"><span class=${`state tone-${state.tone}`}><${Dot} tone=${state.tone} />${state.text}</span>
      ${state.over ? html`<button type="button" class="button small" onClick=${() => setTurn(turn + 1)}>Start another</button>` : html`<span class="muted"><kbd>Shift</kbd> <kbd>Esc</kbd> leaves the terminal</span>`}</p>
    <div class="terminal-screen" ref=${place} key=${turn} role="group" aria-label=${`Terminal in ${box.name}`}></div>`;
}

/**
 * Make an element for xterm.js.  The page's policy forbids inline styles: what would be an element of them goes
 * into a sheet of the page, and an attribute of them is set by script, which is allowed.
 */
function create(name, ...more) {
  const isSheet = String(name).toLowerCase() === "style";
  const element = tamed(Document.prototype.createElement.call(document, isSheet ? "span" : name, ...more));
  if (!isSheet) return element;
  const sheet = adopt();
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

/** Copies of an element are like it. */
function tamed(element) {
  element.setAttribute = (attribute, value) => (attribute === "style" ? (element.style.cssText = value) : Element.prototype.setAttribute.call(element, attribute, value));
  element.cloneNode = (isDeep) => tamed(Element.prototype.cloneNode.call(element, isDeep));
  return element;
}

function adopt() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return sheet;
}
