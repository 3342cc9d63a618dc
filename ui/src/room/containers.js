/** Containers of a room: listed, run, ended, their logs followed, commands run in them. */

import { RoomError } from "./client.js";

const OUTPUT = "push:containers.run.output";
const LINE = "push:containers.log.chunk";
const STDIN = 1;
const RESIZE = 4;
const STARTED = -1;
const MAX_LINES = 5_000;
/** Bash where there is one, else whatever is `sh`. */
const SHELL = ["sh", "-c", "export TERM=xterm-256color; if command -v bash >/dev/null; then exec bash; else exec sh; fi"];

/** All of them, those that have ended too. */
export const listed = async (client) => (await client.ask("containers.list_containers", { all: true })).containers;

/** What can be run without being pulled. */
export const images = async (client) => (await client.ask("containers.list_images")).images;

/** Start one; its id. */
export const run = async (client, { image, command, name }) => (await client.ask("containers.run", { image, command: command || null, name: name || null })).container_id;

export const stop = (client, id) => client.ask("containers.stop_container", { id, force: false });
export const remove = (client, id) => client.ask("containers.delete_container", { id });

/**
 * Follow a log from its beginning; `onLines(lines, isOver)` is called with all that is kept, at most once a frame.
 * @returns {() => void} stops it
 */
export function follow(client, id, onLines) {
  const request_id = crypto.randomUUID();
  const lines = [];
  let due = 0;
  let isOver = false;
  const tell = () => {
    due ||= setTimeout(() => {
      due = 0;
      onLines([...lines], isOver);
    }, 100);
  };
  const unhear = client.on(LINE, ({ header }) => {
    if (header.request_id !== request_id) return;
    lines.push(String(header.log ?? ""));
    if (lines.length > MAX_LINES) lines.splice(0, lines.length - MAX_LINES);
    tell();
  });
  const over = () => {
    isOver = true;
    tell();
  };
  client.ask("containers.logs", { id, request_id, follow: true }).then(over, over);
  return () => {
    unhear();
    clearTimeout(due);
    if (!isOver) client.ask("containers.stop_logs", { request_id }).catch(() => {});
  };
}

/**
 * A shell with a terminal in a container.
 *
 * `onOutput(bytes)` gets what it writes; `ended` resolves to its status, and rejects where it could not be
 * started or the room was lost.
 */
export function shell(client, id, { columns, rows, onOutput }) {
  const request_id = crypto.randomUUID();
  const send = (channel, more, data) => client.request("containers.container_input", { request_id, channel, ...more }, data).catch(() => {});
  const resize = (width, height) => send(RESIZE, { width, height });
  const stops = [
    client.on(OUTPUT, ({ header, data }) => {
      if (header.request_id !== request_id) return;
      if (header.channel === STARTED) resize(columns, rows);
      else onOutput(data);
    }),
  ];
  const lost = new Promise((_, reject) => stops.push(client.on("lost", () => reject(new RoomError("The connection to the room was lost, and the shell with it.")))));
  const answer = client.ask("containers.exec", { container_id: id, request_id, command: SHELL, tty: true }).then(({ status }) => status);
  const ended = Promise.race([answer, lost]).finally(() => stops.forEach((unhear) => unhear()));
  return {
    ended,
    write: (text) => send(STDIN, {}, new TextEncoder().encode(text)),
    resize(width, height) {
      [columns, rows] = [width, height];
      resize(width, height);
    },
    stop: () => client.ask("containers.stop_exec", { request_id }).catch(() => {}),
  };
}
