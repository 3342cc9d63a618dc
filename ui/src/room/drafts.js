/** What is being written, by room and thread: it is there again after a reload.  Of very many the newest. */

const KEY = "studio.drafts";
const KEPT = 30;
const drafts = new Map(stored());

export const draftOf = (room, path) => drafts.get(`${room}\n${path}`) ?? "";

export function keepDraft(room, path, text) {
  const key = `${room}\n${path}`;
  drafts.delete(key);
  if (text) drafts.set(key, text);
  for (const oldest of drafts.keys()) {
    if (drafts.size <= KEPT) break;
    drafts.delete(oldest);
  }
  try {
    localStorage.setItem(KEY, JSON.stringify([...drafts]));
  } catch {
    // storage is full or switched off: they hold until the page is closed
  }
}

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => Array.isArray(one) && one.length === 2 && one.every((text) => typeof text === "string")).slice(-KEPT) : [];
  } catch {
    return [];
  }
}
