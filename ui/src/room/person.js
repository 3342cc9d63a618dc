/** Who the reader is in rooms: a name, kept in this browser, from the server's suggestion until it is changed. */

import { get } from "../core/api.js";
import { signal } from "../core/html.js";

const KEY = "studio.name";
/** What everybody without a name was once called: whoever comes by a link and still is gets one of his own. */
const EVERYBODY = ["user", "you"];
export const MAX_NAME_CHARS = 64;

/** The name to enter rooms with; null until it is known. */
export const personName = signal(stored());

/** What `/studio/me` says, or null. */
export const me = signal(null);

/** Ask the server for a name, unless this browser has one; who came by a link gets a made-up one. */
export async function findName() {
  me.value ??= await get("/studio/me").catch(() => null);
  const isGuest = me.value !== null && !me.value.name;
  if (personName.value !== null && !(isGuest && EVERYBODY.includes(personName.value))) return;
  if (me.value?.name) personName.value = me.value.name;
  else rename(`guest-${crypto.randomUUID().slice(0, 4)}`); // one for each browser: chats are kept by name
}

/** Take another name from now on. */
export function rename(name) {
  const clean = name.trim().slice(0, MAX_NAME_CHARS);
  if (!clean) return;
  personName.value = clean;
  try {
    localStorage.setItem(KEY, clean);
  } catch {
    // storage is switched off: the name holds until the page is closed
  }
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
