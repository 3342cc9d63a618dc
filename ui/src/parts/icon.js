/** Line icons on a grid of 16, drawn in the colour of the text around them. */
import { html } from "../core/html.js";

const PATHS = {
  overview: "M2 13.5h12M3.5 11V8.5M6.5 11V5M9.5 11V7M12.5 11V3",
  rooms: "M2.5 3.5h11v7.5h-6L4.5 13.5V11h-2z",
  sessions: "M2.5 2.5h11v3h-11zM2.5 6.75h11v3h-11zM2.5 11h11v2.5h-11z",
  crashes: "M8 2 14.5 13.5h-13zM8 6.5v3.25M8 11.6v.1",
  services: "M8 1.75 13.75 5v6L8 14.25 2.25 11V5zM2.5 5.1 8 8.25l5.5-3.15M8 8.25v6",
  settings: "M2 4.5h6.5M12.5 4.5H14M2 11.5h1.5M7.5 11.5H14M8.5 2.75h2v3.5h-2zM3.5 9.75h2v3.5h-2z",
  flame: "M8 1.75c.5 3 4 4.25 4 8a4 4 0 0 1-8 0c0-1.75.75-2.75 1.75-3.5.25 1.25.75 1.75 1.25 2C6.75 6 7 3.5 8 1.75z",
  nodes: "M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5H9zM5.75 9.5h4.5V14h-4.5zM4.75 7v1.25h6.5V7M8 8.25V9.5",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.4 10.4l3.1 3.1",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.25 3.25L13 4.75",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  back: "M9.5 3.5 5 8l4.5 4.5",
  next: "M6.5 3.5 11 8l-4.5 4.5",
  down: "M3.5 6 8 10.5 12.5 6",
  up: "M3.5 10 8 5.5l4.5 4.5",
  sun: "M8 5.25a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5zM8 1.25v1.5M8 13.25v1.5M1.25 8h1.5M13.25 8h1.5M3.2 3.2l1.1 1.1M11.7 11.7l1.1 1.1M12.8 3.2l-1.1 1.1M4.3 11.7l-1.1 1.1",
  moon: "M13 9.6A5.5 5.5 0 0 1 6.4 3 5.5 5.5 0 1 0 13 9.6z",
  system: "M2 3h12v8H2zM6 13.5h4M8 11v2.5",
  help: "M8 1.75a6.25 6.25 0 1 0 0 12.5 6.25 6.25 0 0 0 0-12.5zM6.2 6.4c0-1 .8-1.7 1.8-1.7s1.8.7 1.8 1.6c0 1.3-1.8 1.4-1.8 2.7M8 11.2v.1",
  play: "M5 3l7.5 5L5 13z",
  edit: "M3 13l.7-3L10.6 3.1l2.3 2.3L6 12.3zM9.2 4.5l2.3 2.3",
  pause: "M5.25 3v10M10.75 3v10",
  stop: "M4 4h8v8H4z",
  kill: "M8 1.75a6.25 6.25 0 1 0 0 12.5 6.25 6.25 0 0 0 0-12.5zM5.75 5.75l4.5 4.5M10.25 5.75l-4.5 4.5",
  stack: "M8 2l6 3-6 3-6-3zM2.5 8.2 8 11l5.5-2.8M2.5 11.2 8 14l5.5-2.8",
  in: "M13 3 5.5 10.5M5 5.5v5.5h5.5",
  out: "M3 13l7.5-7.5M5.5 5H11v5.5",
  leave: "M6.5 2.5h-4v11h4M10 4.75 13.25 8 10 11.25M6 8h7",
  send: "M2.5 8 13.5 3 10 13.5 7.75 9z",
  plus: "M8 3v10M3 8h10",
  reload: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3",
  download: "M8 2.5v7.5M4.75 7 8 10.25 11.25 7M3 13.25h10",
  attach: "M12.5 7.5 7.8 12.2a2.7 2.7 0 0 1-3.8-3.8l5-5a1.8 1.8 0 0 1 2.6 2.6L6.9 10.7a.9.9 0 0 1-1.3-1.3L9.5 5.5",
  person: "M8 2.5a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5zM2.75 13.75c.5-2.7 2.6-4 5.25-4s4.75 1.3 5.25 4",
  agent: "M3 5.5h10v7.5H3zM8 2.25V5.5M6 8.5v1M10 8.5v1M1.5 8v2.5M14.5 8v2.5",
  tool: "M9.5 6.5 3 13M9.2 3.2a3.2 3.2 0 0 1 4-.6l-2 2 .3 1.2 1.2.3 2-2a3.2 3.2 0 0 1-4.4 3.9",
  file: "M4 1.75h5L12.5 5.25v9H4zM9 1.75v3.5h3.5",
  room: "M2.5 3.5h11v7.5h-6L4.5 13.5V11h-2z",
  more: "M3.5 8h.1M8 8h.1M12.5 8h.1",
  external: "M9 3h4v4M13 3 7.5 8.5M11 9.5V13H3V5h3.5",
  bin: "M3 4.25h10M6.25 4.25V2.5h3.5v1.75M4.25 4.25 5 13.5h6l.75-9.25M6.75 6.75v4.25M9.25 6.75v4.25",
  bolt: "M9 1.75 3.5 9H8l-1 5.25L12.5 7H8z",
};

/** An icon by name; `label` only where it stands alone. */
export function Icon({ name, size = 16, label = "" }) {
  return html`<svg class="icon" viewBox="0 0 16 16" width=${size} height=${size} role=${label ? "img" : "presentation"} aria-hidden=${label ? undefined : "true"} aria-label=${label || undefined}>
    <path d=${PATHS[name] ?? PATHS.more} />
  </svg>`;
}
