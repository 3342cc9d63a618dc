/** Copies a text and says that it did. */
import { html, useEffect, useRef, useState } from "../core/html.js";
import { Icon } from "./icon.js";

/** `text` may be a function that makes it.  Without `label` it is an icon alone. */
export function Copy({ text, label = "", title = "Copy" }) {
  const [done, setDone] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    await write(typeof text === "function" ? text() : text);
    setDone(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class=${label ? "button" : "button icon-only quiet"} title=${title} aria-label=${label ? undefined : title} onClick=${copy}>
    <${Icon} name=${done ? "check" : "copy"} />${label && html`<span>${done ? "Copied" : label}</span>`}
    <span class="sr-only" role="status">${done ? "Copied" : ""}</span>
  </button>`;
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https or localhost there is no clipboard; the old way still works.
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "sr-only" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
