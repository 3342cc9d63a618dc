/** Light, dark, or as the system says; colours for what is drawn by hand. */
import { signal } from "./html.js";

const KEY = "studio.theme";

/** `system`, `light` or `dark`. */
export const theme = signal(document.documentElement.dataset.theme ?? "system");
/** Goes up whenever the colours on screen change; what is drawn on a canvas is drawn again then. */
export const painted = signal(0);

export function setTheme(next) {
  theme.value = next;
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // storage is switched off: the choice holds until the page is closed
  }
  painted.value += 1;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (painted.value += 1));

let probe = null;

/** The colour a custom property has right now, as `rgb(…)`. */
export function colour(name) {
  probe ??= document.body.appendChild(Object.assign(document.createElement("i"), { hidden: true }));
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
