/** Keys: `/` search, `g` and a letter to a page, `?` help, and what a page adds. */
import { signal, useEffect, useRef } from "./html.js";
import { navigate } from "./router.js";

/** Whether the list of keys is shown. */
export const helpOpen = signal(false);

/** Pages by the letter after `g`. */
export const GO = {
  o: ["/", "Overview"],
  r: ["/rooms", "Rooms"],
  s: ["/sessions", "Sessions"],
  c: ["/crashes", "Crashes"],
  v: ["/services", "Services"],
  n: ["/nodes", "Nodes"],
  t: ["/settings", "Settings"],
};

/** What pages have registered, newest last: `{keys: {j: fn}, help: [["j k", "Move"]]}`. */
export const layers = signal([]);

let going = 0;

/**
 * Keys of a component for as long as it is shown: `useKeys({j: next, Enter: open}, [["j k", "Next, previous"]])`.
 *
 * They are not called while the reader writes, or holds Ctrl, Alt or Meta, or while a dialog is open.
 */
export function useKeys(keys, help = []) {
  const layer = useRef({ keys, help });
  layer.current.keys = keys;
  useEffect(() => {
    const mine = layer.current;
    layers.value = [...layers.value, mine];
    return () => (layers.value = layers.value.filter((one) => one !== mine));
  }, []);
}

/** True when a key pressed there is text. */
export function isWriting(target) {
  if (!target?.closest) return false;
  return target.isContentEditable || Boolean(target.closest("textarea, select, input:not([type=checkbox], [type=radio], [type=button])"));
}

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const dialog = document.querySelector("dialog[open]");
    if (isWriting(event.target)) {
      if (event.key === "Escape" && !dialog) event.target.blur();
      return;
    }
    if (dialog) return;
    // Enter and Space on a button or a link belong to it.
    if ((event.key === "Enter" || event.key === " ") && event.target.closest?.("a, button, summary, [role=tab]")) return;
    if (going && Date.now() - going < 1500 && GO[event.key]) {
      going = 0;
      event.preventDefault();
      navigate(GO[event.key][0]);
      return;
    }
    going = 0;
    for (const layer of [...layers.value].reverse()) {
      const handler = layer.keys[event.key];
      if (handler) {
        event.preventDefault();
        handler(event);
        return;
      }
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "/") focusSearch(event);
    else if (event.key === "?") helpOpen.value = true;
  });
}

function focusSearch(event) {
  const field = document.querySelector("[data-search]");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select?.();
}
