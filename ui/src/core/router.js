/** Addresses: `/studio/…` to a page and its parameters, with the browser's own history. */
import { signal } from "./html.js";

export const BASE = "/studio";

/** Where the reader is: `{page, params, query, path}`; `page` is null for an address nobody serves. */
export const route = signal({ page: null, params: {}, query: new URLSearchParams(), path: "/" });

/** Whether the reader came here by going back or forth, and wants it as it was left. */
export let returned = false;

let table = [];
const scrolled = new Map();
let scroller = null;

/**
 * Take the routes `[pattern, page]`, patterns such as `/rooms/:room`, and follow links from now on.
 */
export function start(routes) {
  table = routes.map(([pattern, page]) => ({ parts: split(pattern), page }));
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => ((returned = true), settle(scrolled.get(history.state?.key) ?? 0)));
  document.addEventListener("click", follow);
  if (!history.state?.key) history.replaceState({ key: key() }, "");
  settle(0);
}

/** The element whose scroll position belongs to the address. */
export const setScroller = (element) => (scroller = element);

/** The address of a page: `url("/rooms", room)`; parts after the first are escaped. */
export const url = (base, ...parts) => BASE + [base === "/" ? "/" : base, ...parts.map(encodeURIComponent)].join("/").replace(/\/{2,}/g, "/");

/** Go to an address below `/studio`, written with or without that prefix. */
export function navigate(to, { replace = false } = {}) {
  const full = to.startsWith(BASE) ? to : BASE + to;
  remember();
  returned = false;
  if (replace) history.replaceState({ key: history.state?.key ?? key() }, "", full);
  else history.pushState({ key: key() }, "", full);
  settle(replace ? scroller?.scrollTop ?? 0 : 0);
}

/** Change parts of the query; null removes one.  `push` for places to go Back from, not for what narrows one down. */
export function setQuery(changes, { push = false } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "" || value === undefined) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  const to = location.pathname + (text ? `?${text}` : "");
  if (push && to !== location.pathname + location.search) {
    remember();
    returned = false;
    history.pushState({ key: key() }, "", to);
  } else history.replaceState(history.state, "", to);
  route.value = { ...route.value, query };
}

function follow(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("a[href]");
  if (!link || link.target || link.hasAttribute("download")) return;
  const to = new URL(link.href, location.href);
  if (to.origin !== location.origin || !(to.pathname === BASE || to.pathname.startsWith(`${BASE}/`))) return;
  if (to.pathname.startsWith(`${BASE}/enter`)) return;
  event.preventDefault();
  navigate(to.pathname + to.search);
}

function settle(top) {
  const path = location.pathname.slice(BASE.length) || "/";
  const asked = split(path);
  const query = new URLSearchParams(location.search);
  for (const { parts, page } of table) {
    const params = match(parts, asked);
    if (params) {
      route.value = { page, params, query, path };
      break;
    }
    route.value = { page: null, params: {}, query, path };
  }
  requestAnimationFrame(() => scroller && (scroller.scrollTop = top));
}

function match(parts, asked) {
  if (parts.length !== asked.length) return null;
  const params = {};
  for (let i = 0; i < parts.length; i += 1) {
    if (parts[i].startsWith(":")) {
      try {
        params[parts[i].slice(1)] = decodeURIComponent(asked[i]);
      } catch {
        return null;
      }
    } else if (parts[i] !== asked[i]) return null;
  }
  return params;
}

function remember() {
  if (history.state?.key && scroller) scrolled.set(history.state.key, scroller.scrollTop);
  if (scrolled.size > 100) scrolled.delete(scrolled.keys().next().value);
}

const split = (path) => path.split("/").filter(Boolean);
const key = () => Math.random().toString(36).slice(2);
