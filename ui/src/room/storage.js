/** A room's files: list, upload piece by piece, delete, and links for downloads. */

import { CODE_NOT_FOUND } from "./client.js";

const PIECE_BYTES = 256 * 1024;
const MAX_ATTEMPTS = 10;
export const MAX_UPLOAD_BYTES = 200 * 1024 * 1024;

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {boolean} is_folder
 * @property {number|null} size
 * @property {string} updated_at
 */

/**
 * The files of a folder, folders first; empty when there is no such folder.
 * @param {import("./client.js").RoomClient} room  @returns {Promise<Entry[]>}
 */
export async function list(room, path = "") {
  // As a tool of the newer dialect, which tells sizes too.
  const header = {
    toolkit: "storage",
    tool: "list",
    arguments: { type: "json", json: { path } },
    tool_call_id: crypto.randomUUID(),
  };
  try {
    const { files = [] } = (await room.ask("room.invoke_tool", header)) ?? {};
    return files.sort((a, b) => b.is_folder - a.is_folder || a.name.localeCompare(b.name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Put a file into the room.
 * @param {import("./client.js").RoomClient} room
 * @param {Blob} file
 * @param {{overwrite?: boolean, onProgress?: (share: number) => void, signal?: AbortSignal}} [given]
 */
async function upload(room, path, file, { overwrite = false, onProgress, signal } = {}) {
  if (file.size > MAX_UPLOAD_BYTES) throw new Error(`${path} is larger than ${MAX_UPLOAD_BYTES / 1024 / 1024} MiB.`);
  const { handle } = await room.ask("storage.open", { path, overwrite });
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    // Dropping it half-way leaves it unfinished and unseen; the room forgets it when we leave.
    signal?.throwIfAborted();
    const piece = new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer());
    await room.request("storage.write", { handle }, piece);
    onProgress?.(Math.min(1, (at + piece.length) / file.size));
  }
  await room.request("storage.close", { handle });
}

/**
 * Put a file beside those that are there, as soon as we are in the room; begun anew where the connection was lost.
 * @param {import("./client.js").RoomClient} room
 * @param {Blob} file
 * @param {{onProgress?: (share: number) => void, signal?: AbortSignal}} [given]
 * @returns {Promise<string>} its path
 */
export async function uploadBeside(room, path, file, given = {}) {
  for (let attempt = 1; ; attempt++) {
    await room.opened(given.signal);
    try {
      const free = await freePath(room, path);
      await upload(room, free, file, given);
      return free;
    } catch (error) {
      // Without a code it was the connection.  What was half there is unseen, and forgotten by the room.
      if (error.code !== null || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** A path near the wanted one that is not taken: `report.pdf`, `report (2).pdf`, … */
async function freePath(room, path) {
  const dot = path.lastIndexOf(".") > path.lastIndexOf("/") + 1 ? path.lastIndexOf(".") : path.length;
  for (let number = 1; number < 1000; number++) {
    const tried = number === 1 ? path : `${path.slice(0, dot)} (${number})${path.slice(dot)}`;
    const found = await room.ask("storage.exists", { path: tried });
    if (!found?.exists) return tried;
  }
  throw new Error(`There are a thousand files called ${path} already.`);
}

/** @param {import("./client.js").RoomClient} room */
export function remove(room, path, { recursive = false } = {}) {
  return room.request("storage.delete", { path, recursive });
}

/** Give a file, or a folder with what is in it, another path; one that is taken is refused. */
export function move(room, path, to) {
  return room.request("storage.move", { source_path: path, destination_path: to, overwrite: false });
}

/** Have the browser save a file of the room.  The link is good for this one file, for an hour. */
export async function download(room, path) {
  const { url } = await room.ask("storage.download_url", { path });
  const address = new URL(url, location.href);
  const link = document.createElement("a");
  // By the way we came, whatever name the server thinks it has.
  link.href = `${address.pathname}${address.search}`;
  link.download = path.split("/").at(-1) ?? "file";
  link.click();
}

function isMissing(error) {
  return error.code === CODE_NOT_FOUND || error.code === 3001;
}
