/** A thread that goes on otherwise: a new one with what was said before a message, which is there to be changed. */

import { keepDraft } from "./drafts.js";
import { newThread, Thread } from "./thread.js";

/**
 * What was said before `entry` in a thread of its own, and its text as a draft there; nothing is changed here.
 * @returns {Promise<string>} the path of the new thread
 */
export async function forkBefore(view, chat, entry) {
  const entries = chat.entries.value;
  const at = entries.findIndex((one) => one.id === entry.id); // it may have been read anew since it was shown
  if (at < 0) throw new Error("The message is not in the thread any more.");
  const path = newThread(chat.agent, view.person, new Date(), [chat.path]);
  const thread = new Thread(view.client, path);
  try {
    await thread.ready();
    thread.take(entries.slice(0, at));
    await thread.flush();
  } finally {
    await thread.close();
  }
  keepDraft(view.name, path, entry.text);
  return path;
}
